// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {NativeStakeRegistry} from "p2pavs/contracts/src/NativeStakeRegistry.sol";
import {ForgeTest} from "./Vm.sol";

/// @title What people do with their stake, in any order
contract Stakers is ForgeTest {
    NativeStakeRegistry public immutable stakes;
    uint256 public deposited;
    uint256 public paid;

    constructor(NativeStakeRegistry stakes_) {
        stakes = stakes_;
    }

    function staker(uint256 i) public pure returns (address) {
        return address(uint160(0x1000 + (i % 5)));
    }

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 100 ether);
        address account = staker(who);
        vm.deal(account, amount);
        vm.prank(account);
        stakes.deposit{value: amount}();
        deposited += amount;
    }

    function requestWithdrawal(uint256 who, uint256 amount) external {
        address account = staker(who);
        uint256 stake = stakes.stakeOf(account);
        if (stake == 0) return;
        vm.prank(account);
        stakes.requestWithdrawal(bound(amount, 1, stake));
    }

    function withdraw(uint256 who, uint256 wait) external {
        address account = staker(who);
        (uint256 amount, uint64 from) = stakes.withdrawalOf(account);
        vm.warp(block.timestamp + bound(wait, 0, 2 hours));
        if (amount == 0 || block.timestamp < from) return;
        vm.prank(account);
        stakes.withdraw();
        paid += amount;
    }
}

contract StakeTest is ForgeTest {
    NativeStakeRegistry private stakes;
    Stakers private stakers;

    function setUp() external {
        stakes = new NativeStakeRegistry(1 ether, 1 hours, address(this));
        stakers = new Stakers(stakes);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(stakers);
    }

    /// The contract holds exactly what it owes.
    function invariant_balance_is_what_is_owed() external view {
        uint256 owed;
        for (uint256 i = 0; i < 5; ++i) {
            address account = stakers.staker(i);
            (uint256 leaving,) = stakes.withdrawalOf(account);
            owed += stakes.stakeOf(account) + leaving;
        }
        assertEq(address(stakes).balance, owed, "owed");
        assertEq(stakers.deposited() - stakers.paid(), owed, "deposited and not paid");
    }

    /// The list of members says what each account has.
    function invariant_members_have_the_stake_that_is_listed() external view {
        (address[] memory accounts, uint256[] memory amounts) = stakes.members();
        for (uint256 i = 0; i < accounts.length; ++i) {
            assertEq(amounts[i], stakes.stakeOf(accounts[i]), "listed");
            assertTrue(amounts[i] >= stakes.minimumStake(), "enough");
        }
    }

    /// Whatever happened, everybody can have everything back in the end.
    function testFuzz_money_can_always_leave(uint96 amount, uint96 part) external {
        uint256 whole = bound(amount, 1, type(uint96).max);
        address account = stakers.staker(0);
        vm.deal(account, whole);
        vm.startPrank(account);
        stakes.deposit{value: whole}();
        stakes.requestWithdrawal(bound(part, 1, whole));
        uint256 rest = stakes.stakeOf(account);
        if (rest > 0) stakes.requestWithdrawal(rest);
        vm.warp(block.timestamp + 1 hours);
        stakes.withdraw();
        assertEq(account.balance, whole, "back");
        assertEq(address(stakes).balance, 0, "left in the contract");
    }
}
