// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IStakeSource} from "./interfaces/IStakeSource.sol";

/// @title Stake in the chain's own coin
/// @notice Whoever has the minimum is a member. There is room for 256; when it is full, a newcomer takes the place
/// of the member with the least stake, if it has more. What is asked back stops counting at once and is
/// paid after a delay, during which sets that counted it run out, and during which it can still be slashed.
contract NativeStakeRegistry is IStakeSource {
    error BelowMinimum(uint256 stake, uint256 minimum);
    error NothingDeposited();
    error NotEnoughStake(uint256 asked, uint256 available);
    error NothingToWithdraw();
    error StillLocked(uint64 until, uint256 now_);
    error PaymentRefused(address account, uint256 amount);
    error SetFull(uint256 stake, uint256 leastMember);
    error TooMuchStake(uint256 stake, uint256 maximum);
    error AlreadyMember(address account);
    error ZeroAddress();

    event Deposited(address indexed account, uint256 amount, uint256 stake);
    event WithdrawalRequested(address indexed account, uint256 amount, uint64 payableFrom);
    event Withdrawn(address indexed account, uint256 amount);

    uint256 public constant MAX_MEMBERS = 256;
    uint256 private constant WHOLE = 1e18;

    struct Account {
        uint128 stake;
        uint128 leaving;
        uint64 payableFrom;
        uint16 placePlusOne; // in the list of members
    }

    /// One slot: a snapshot reads it for every member.
    struct Member {
        address account;
        uint96 stake; // as in `_accounts`; what all members stake fits
    }

    uint256 public immutable minimumStake;
    /// @inheritdoc IStakeSource
    uint64 public immutable unbondingDelay;
    /// The one contract that may take stake.
    address public immutable slasher;

    /// @inheritdoc IStakeSource
    uint64 public lastSlashAt;
    Member[] private _members;
    mapping(address => Account) private _accounts;

    constructor(uint256 minimumStake_, uint64 unbondingDelay_, address slasher_) {
        // A member without stake would have no weight and could still fill the set.
        if (minimumStake_ == 0) revert BelowMinimum(0, 1);
        if (slasher_ == address(0)) revert ZeroAddress();
        (minimumStake, unbondingDelay, slasher) = (minimumStake_, unbondingDelay_, slasher_);
    }

    modifier onlySlasher() {
        if (msg.sender != slasher) revert NotTheSlasher(msg.sender, slasher);
        _;
    }

    /// @notice Adds to the sender's stake, and makes it a member if it may be.
    function deposit() external payable {
        if (msg.value == 0) revert NothingDeposited();
        Account storage account = _accounts[msg.sender];
        uint128 stake = account.stake + uint128(msg.value); // all coins that exist fit in 128 bits
        if (stake > type(uint96).max) revert TooMuchStake(stake, type(uint96).max);
        account.stake = stake;
        emit Deposited(msg.sender, msg.value, stake);
        if (account.placePlusOne != 0) _members[account.placePlusOne - 1].stake = uint96(stake);
        else if (stake >= minimumStake) _tryToJoin(msg.sender, account);
    }

    /// @notice For stake that was left out while the set was full.
    function join() external {
        Account storage account = _accounts[msg.sender];
        if (account.placePlusOne != 0) revert AlreadyMember(msg.sender);
        if (account.stake < minimumStake) revert BelowMinimum(account.stake, minimumStake);
        uint256 least = _tryToJoin(msg.sender, account);
        if (account.placePlusOne == 0) revert SetFull(account.stake, least);
    }

    /// @notice Asks `amount` back. A second request adds to the first, and the delay begins again.
    function requestWithdrawal(uint256 amount) external {
        Account storage account = _accounts[msg.sender];
        if (amount == 0) revert NothingToWithdraw();
        if (amount > account.stake) revert NotEnoughStake(amount, account.stake);
        account.stake -= uint128(amount);
        account.leaving += uint128(amount);
        account.payableFrom = uint64(block.timestamp) + unbondingDelay;
        emit WithdrawalRequested(msg.sender, amount, account.payableFrom);
        _stayOrLeave(msg.sender, account);
    }

    /// @notice Pays what was asked back, once the delay is over.
    function withdraw() external {
        Account storage account = _accounts[msg.sender];
        uint256 amount = account.leaving;
        if (amount == 0) revert NothingToWithdraw();
        if (block.timestamp < account.payableFrom) revert StillLocked(account.payableFrom, block.timestamp);
        account.leaving = 0;
        emit Withdrawn(msg.sender, amount);
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert PaymentRefused(msg.sender, amount);
    }

    /// @inheritdoc IStakeSource
    /// @dev Stake that is on its way out is taken in the same proportion: leaving is no escape.
    function slash(address account, uint256 wad, string calldata reason) external onlySlasher returns (uint256 taken) {
        if (wad == 0 || wad > WHOLE) revert WrongFraction(wad);
        Account storage slashed = _accounts[account];
        uint128 fromStake = uint128((uint256(slashed.stake) * wad) / WHOLE);
        uint128 fromLeaving = uint128((uint256(slashed.leaving) * wad) / WHOLE);
        taken = uint256(fromStake) + fromLeaving;
        // No set counts who has less than the minimum. If its slash made another set due, anybody could make one due at
        // any time: to have a key and sign two statements with it costs no stake.
        if (uint256(slashed.stake) + slashed.leaving >= minimumStake) lastSlashAt = uint64(block.number);
        slashed.stake -= fromStake;
        slashed.leaving -= fromLeaving;
        _stayOrLeave(account, slashed);
        emit StakeSlashed(account, wad, taken, reason);
        (bool paid,) = msg.sender.call{value: taken}("");
        if (!paid) revert PaymentRefused(msg.sender, taken);
    }

    /// @inheritdoc IStakeSource
    function eject(address account) external onlySlasher {
        Account storage ejected = _accounts[account];
        lastSlashAt = uint64(block.number);
        if (ejected.placePlusOne != 0) _leave(account, ejected);
    }

    /// @inheritdoc IStakeSource
    function members() external view returns (address[] memory accounts, uint256[] memory stakes) {
        uint256 count = _members.length;
        (accounts, stakes) = (new address[](count), new uint256[](count));
        // As members[i].account and members[i].stake, for a third of the gas.
        assembly ("memory-safe") {
            mstore(0, _members.slot)
            let from := keccak256(0, 32)
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let member := sload(add(from, i))
                let offset := add(32, shl(5, i))
                mstore(add(accounts, offset), and(member, 0xffffffffffffffffffffffffffffffffffffffff))
                mstore(add(stakes, offset), shr(160, member))
            }
        }
    }

    /// @inheritdoc IStakeSource
    function stakeOf(address account) external view returns (uint256) {
        return _accounts[account].stake;
    }

    /// @inheritdoc IStakeSource
    /// @dev Nobody delegates here: whoever has a deposit has stake, a member or not.
    function backingOf(address account) external view returns (uint256) {
        return _accounts[account].stake;
    }

    /// @inheritdoc IStakeSource
    function slashableUntil(address account) external view returns (uint64) {
        Account storage a = _accounts[account];
        if (a.stake > 0) return type(uint64).max;
        return a.leaving > 0 ? a.payableFrom : 0;
    }

    function isMember(address account) external view returns (bool) {
        return _accounts[account].placePlusOne != 0;
    }

    /// @notice What `account` asked back, and from when (unix seconds) it can have it.
    function withdrawalOf(address account) external view returns (uint256 amount, uint64 payableFrom) {
        return (_accounts[account].leaving, _accounts[account].payableFrom);
    }

    /// @return least The smallest stake among the members, where the set was full.
    function _tryToJoin(address newcomer, Account storage account) private returns (uint256 least) {
        if (_members.length == MAX_MEMBERS) {
            address weakest;
            least = type(uint256).max;
            for (uint256 i = 0; i < MAX_MEMBERS; ++i) {
                uint256 stake = _members[i].stake;
                if (stake < least) (least, weakest) = (stake, _members[i].account);
            }
            if (account.stake <= least) return least;
            _leave(weakest, _accounts[weakest]);
        }
        _members.push(Member(newcomer, uint96(account.stake)));
        account.placePlusOne = uint16(_members.length);
        emit MemberJoined(newcomer);
    }

    /// @dev After stake has become less.
    function _stayOrLeave(address member, Account storage account) private {
        if (account.placePlusOne == 0) return;
        if (account.stake < minimumStake) _leave(member, account);
        else _members[account.placePlusOne - 1].stake = uint96(account.stake);
    }

    function _leave(address member, Account storage account) private {
        uint256 place = account.placePlusOne - 1;
        Member memory last = _members[_members.length - 1];
        _members[place] = last;
        _accounts[last.account].placePlusOne = uint16(place + 1);
        _members.pop();
        account.placePlusOne = 0;
        emit MemberLeft(member);
    }
}
