// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEvidenceVerifier} from "p2pavs/contracts/src/interfaces/IEvidenceVerifier.sol";
import {NativeStakeRegistry} from "p2pavs/contracts/src/NativeStakeRegistry.sol";
import {SlashingManager} from "p2pavs/contracts/src/slashing/SlashingManager.sol";
import {ForgeTest} from "./Vm.sol";

/// @title Evidence that says by itself whom it accuses: what is tested here is what follows from a proof
contract Confession is IEvidenceVerifier {
    error Cleared();

    mapping(address operator => bool) public cleared;

    function clear(address operator) external {
        cleared[operator] = true;
    }

    function check(bytes calldata evidence) external view returns (address operator, uint256 first, uint256 last) {
        (operator, first, last) = abi.decode(evidence, (address, uint256, uint256));
        if (cleared[operator]) revert Cleared();
    }
}

/// @title Operators who stake, leave and are accused, in any order
contract Courtroom is ForgeTest {
    uint256 public constant OPERATORS = 4;
    uint256 public constant TASKS = 5;

    NativeStakeRegistry public immutable stakes;
    SlashingManager public immutable manager;
    Confession[3] public verifiers; // at once, after the veto window, windowed and ejecting
    address private constant GUARDIAN = address(0x6A);

    uint256 public deposited;
    uint256 public withdrawn;
    uint256 public bountiesPaid;
    mapping(bytes32 offence => uint256) public punished;
    bytes32[] public offences;
    bytes[] private _evidence; // by case, from 1
    uint256[] private _kind;

    constructor(NativeStakeRegistry stakes_, SlashingManager manager_, Confession[3] memory verifiers_) {
        (stakes, manager, verifiers) = (stakes_, manager_, verifiers_);
        _evidence.push("");
        _kind.push(0);
    }

    function operator(uint256 i) public pure returns (address) {
        return address(uint160(0x3000 + (i % OPERATORS)));
    }

    function reporter(uint256 i) public pure returns (address) {
        return address(uint160(0x4000 + (i % 2)));
    }

    function deposit(uint256 who, uint256 amount) external {
        amount = bound(amount, 1, 50 ether);
        vm.deal(operator(who), amount);
        vm.prank(operator(who));
        stakes.deposit{value: amount}();
        deposited += amount;
    }

    function requestWithdrawal(uint256 who, uint256 amount) external {
        uint256 stake = stakes.stakeOf(operator(who));
        if (stake == 0) return;
        vm.prank(operator(who));
        stakes.requestWithdrawal(bound(amount, 1, stake));
    }

    function withdraw(uint256 who) external {
        (uint256 amount, uint64 from) = stakes.withdrawalOf(operator(who));
        if (amount == 0) return;
        if (block.timestamp < from) vm.warp(from);
        vm.prank(operator(who));
        stakes.withdraw();
        withdrawn += amount;
    }

    function report(uint256 who, uint256 kind, uint256 first, uint256 length, uint256 by) external {
        kind = kind % 3;
        first = bound(first, 1, TASKS);
        uint256 last = kind == 2 ? first + (length % 3) : first;
        bytes memory evidence = abi.encode(operator(who), first, last);
        uint256 before = _holdings(operator(who));
        vm.prank(reporter(by));
        try manager.report(verifiers[kind], evidence) returns (uint256 id) {
            if (id == 0) {
                _punish(kind, operator(who), first, before);
            } else {
                _evidence.push(evidence);
                _kind.push(kind);
            }
        } catch {
            assertTrue(manager.isBooked(verifiers[kind], operator(who), first), "only a second report is refused");
        }
    }

    function veto(uint256 id) external {
        if (_evidence.length == 1) return;
        id = bound(id, 1, _evidence.length - 1);
        (, uint64 from, bool closed,,,,) = manager.caseOf(id);
        if (closed || block.timestamp >= from) return;
        vm.prank(GUARDIAN);
        manager.veto(id);
    }

    function execute(uint256 id, bool wait) external {
        if (_evidence.length == 1) return;
        id = bound(id, 1, _evidence.length - 1);
        (address accused, uint64 from, bool closed,,, uint256 first,) = manager.caseOf(id);
        if (wait && block.timestamp < from) vm.warp(from);
        uint256 before = _holdings(accused);
        try manager.execute(id, _evidence[id]) {
            assertTrue(!closed && block.timestamp >= from, "neither early nor twice");
            _punish(_kind[id], accused, first, before);
        } catch {
            assertTrue(closed || block.timestamp < from, "what is due is executed");
        }
    }

    function takeBounty(uint256 who) external {
        uint256 amount = manager.balanceOf(reporter(who));
        if (amount == 0) return;
        vm.prank(reporter(who));
        manager.withdraw();
        bountiesPaid += amount;
    }

    function offenceCount() external view returns (uint256) {
        return offences.length;
    }

    function _punish(uint256 kind, address accused, uint256 first, uint256 before) private {
        bytes32 offence = keccak256(abi.encode(kind, accused, first));
        if (punished[offence]++ == 0) offences.push(offence);
        (uint64 wad,,,) = manager.classOf(verifiers[kind]);
        uint256 taken = before - _holdings(accused);
        // Of stake and of what is leaving, each rounded down.
        assertTrue(taken <= (before * wad) / 1e18 && taken + 2 > (before * wad) / 1e18, "the fraction");
    }

    function _holdings(address account) private view returns (uint256) {
        (uint256 leaving,) = stakes.withdrawalOf(account);
        return stakes.stakeOf(account) + leaving;
    }
}

contract SlashingTest is ForgeTest {
    NativeStakeRegistry private stakes;
    SlashingManager private manager;
    Confession[3] private verifiers;
    Courtroom private court;

    function setUp() external {
        // The manager is created after the registry that names it and the three verifiers.
        address expected = _created(address(this), 5);
        stakes = new NativeStakeRegistry(1 ether, 14 days, expected);
        SlashingManager.Penalty[] memory penalties = new SlashingManager.Penalty[](3);
        for (uint256 i = 0; i < 3; ++i) {
            verifiers[i] = new Confession();
            penalties[i].verifier = verifiers[i];
        }
        penalties[0].class = SlashingManager.Class(1e18, false, false, false);
        penalties[1].class = SlashingManager.Class(1e17, true, false, false);
        penalties[2].class = SlashingManager.Class(1e16, true, true, true);
        manager = new SlashingManager(
            stakes,
            SlashingManager.Authority(address(this), address(0x6A)),
            1_000,
            SlashingManager.Timing(1 days, 1 days, 1 days, 1 days),
            penalties
        );
        assertTrue(address(manager) == expected, "at its address");
        court = new Courtroom(stakes, manager, verifiers);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(court);
    }

    function invariant_no_offence_is_punished_twice() external view {
        for (uint256 i = 0; i < court.offenceCount(); ++i) {
            assertEq(court.punished(court.offences(i)), 1, "times");
        }
    }

    function invariant_every_coin_is_somewhere() external view {
        uint256 owed;
        for (uint256 i = 0; i < court.OPERATORS(); ++i) {
            (uint256 leaving,) = stakes.withdrawalOf(court.operator(i));
            owed += stakes.stakeOf(court.operator(i)) + leaving;
        }
        assertEq(address(stakes).balance, owed, "the stake registry holds what it owes");
        uint256 bounties = manager.balanceOf(court.reporter(0)) + manager.balanceOf(court.reporter(1));
        assertEq(address(manager).balance, bounties, "the manager holds the bounties");
        uint256 gone = court.withdrawn() + court.bountiesPaid() + address(0xdEaD).balance;
        assertEq(court.deposited(), owed + bounties + gone, "all that came in");
    }

    function test_who_cleared_itself_is_not_punished() external {
        _stake(court.operator(0), 10 ether);
        bytes memory evidence = abi.encode(court.operator(0), 1, 1);
        uint256 id = manager.report(verifiers[1], evidence);
        verifiers[1].clear(court.operator(0));
        vm.warp(block.timestamp + 1 days);
        vm.expectRevert(Confession.Cleared.selector);
        manager.execute(id, evidence);
        assertEq(stakes.stakeOf(court.operator(0)), 10 ether, "stake");
    }

    function testFuzz_windows_that_overlap_count_each_task_once(uint8 first, uint8 length, uint8 again) external {
        _stake(court.operator(0), 10 ether);
        uint256 last = uint256(first) + length;
        manager.report(verifiers[2], abi.encode(court.operator(0), first, last));
        bytes memory second = abi.encode(court.operator(0), uint256(again), uint256(again) + 10);
        if (again <= last) vm.expectRevert();
        manager.report(verifiers[2], second);
    }

    function testFuzz_who_reports_itself_loses(uint96 amount) external {
        uint256 stake = bound(amount, 1 ether, 1_000_000 ether);
        _stake(court.reporter(0), stake);
        vm.prank(court.reporter(0));
        manager.report(verifiers[0], abi.encode(court.reporter(0), 1, 1));
        assertTrue(manager.balanceOf(court.reporter(0)) <= stake / 2, "less than it had");
    }

    function _stake(address account, uint256 amount) private {
        vm.deal(account, amount);
        vm.prank(account);
        stakes.deposit{value: amount}();
    }

    /// @dev Where a contract creates its next one: RLP of a list of an address and a small number.
    function _created(address creator, uint8 nonce) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes2(0xd694), creator, nonce)))));
    }
}
