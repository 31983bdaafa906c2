// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ITaskGateway} from "./interfaces/ITaskGateway.sol";
import {ITaskGatewayErrors} from "./interfaces/ITaskGatewayErrors.sol";
import {RECORD_BLOBS, OperatorRecords} from "./libraries/OperatorRecords.sol";
import {Sortition} from "./libraries/Sortition.sol";

uint8 constant NONE = 0;
uint8 constant REQUESTED = 1;
uint8 constant CERTIFIED = 2;
uint8 constant EXPIRED = 3; // derived, never stored
uint8 constant REFUNDED = 4;

/// @title Where tasks stand, and whose money it is
/// @dev A request writes one slot, a certificate two more: what was certified, and the result. Only a bitmap of more than
/// 64 places takes another one. Rewards need nothing more: a claim works out the weights again from the epoch's records.
abstract contract TaskLedger is ITaskGateway, ITaskGatewayErrors {
    struct Task {
        uint8 status;
        uint40 deadline;
        bool manySigners; // whether there are bits in `moreSigners`
        uint8 pauses; // that had begun when it was requested
        bytes24 headerHash; // the first 192 bits: two headers of one hash take 2^96 tries
        // what was certified
        uint8 resultStatus;
        bool callbackFailed;
        uint8 attempt;
        uint16 signedBps;
        uint16 outputLength;
        uint40 finalizedAt;
        bytes12 decision; // of the round and the value
        uint64 signers; // the first 64 places of the bitmap
        bytes32 value; // the output, left-aligned, if at most 32 bytes; otherwise its hash
        uint256 moreSigners; // the places beyond
    }

    struct Set {
        uint128 totalStake;
        uint16 count;
        address[RECORD_BLOBS] blobs;
    }

    IEpochManager public immutable epochs;

    mapping(address account => uint256) public balanceOf;
    mapping(uint256 id => Task) internal _tasks;
    /// One bit per task: a bulk claim writes one slot for 256 of them.
    mapping(address operator => mapping(uint256 word => uint256)) private _claimed;
    mapping(uint256 word => uint256) private _settled;

    IModelRegistry public immutable models;
    /// @inheritdoc ITaskGateway
    /// @dev Shares are fixed when they are over.
    uint40 public immutable supplementWindow;
    /// What a leader earns for an epoch's seed, in wei, where the pool has it.
    uint128 public immutable beaconReward;

    /// @notice Base fees of certified tasks, which pay for the beacon.
    uint256 public pool;
    mapping(uint64 epoch => bool) public beaconPaid;
    uint256[44] private __gap; // room for variables of later versions

    constructor(IEpochManager epochs_, IModelRegistry models_, uint40 supplementWindow_, uint128 beaconReward_) {
        if (address(epochs_) == address(0) || address(models_) == address(0)) revert ZeroAddress();
        (epochs, models) = (epochs_, models_);
        (supplementWindow, beaconReward) = (supplementWindow_, beaconReward_);
    }

    /// @notice Passes on what is not the signers': the royalty to the model's maker, the base fee to the pool. Claims do
    /// it too.
    function settle(TaskHeader[] calldata headers) external {
        for (uint256 i = 0; i < headers.length; ++i) {
            TaskHeader calldata header = headers[i];
            Task storage task = _tasks[header.id];
            if (_statusOf(task) != CERTIFIED) revert NotCertified(header.id);
            _requireHeader(task, header);
            if (!_settle(header)) revert AlreadySettled(header.id);
        }
    }

    /// @notice Credits the reward for an epoch's seed to the operator whose proof made it: the reward, or what the pool
    /// has where that is less, or a 64th of it where that is more. Anyone may call.
    function claimBeaconReward(uint64 epoch) external {
        address operator = epochs.revealerOf(epoch);
        if (operator == address(0)) revert NoRevealer(epoch);
        if (beaconPaid[epoch]) revert BeaconRewardClaimedAlready(epoch);
        uint256 there = pool;
        if (there == 0) revert PoolEmpty();
        uint256 amount = there / 64 > beaconReward ? there / 64 : beaconReward;
        if (amount > there) amount = there;
        beaconPaid[epoch] = true;
        pool = there - amount;
        balanceOf[operator] += amount;
        emit BeaconRewardClaimed(epoch, operator, amount);
    }

    /// @notice Credits the shares of operator `index` of one epoch's set in the fees of `headers`, all of that epoch and
    /// all signed by it. Anyone may call; the operator gets the money. Division leaves less than one wei per
    /// signer of a task in the contract.
    function claim(uint16 index, TaskHeader[] calldata headers) external {
        if (headers.length == 0) revert NothingToClaim();
        uint64 epoch = headers[0].epoch;
        (Set memory set, OperatorRecords.Record memory record) = _record(epoch, index);
        uint256 amount;
        for (uint256 i = 0; i < headers.length; ++i) {
            TaskHeader calldata header = headers[i];
            if (header.epoch != epoch) revert AnotherEpoch(header.id, header.epoch, epoch);
            amount += _share(header, index, record, set);
            uint256 from = uint256(_tasks[header.id].finalizedAt) + supplementWindow;
            if (block.timestamp < from) revert ClaimTooEarly(header.id, from);
            _settle(header);
            uint256 bit = 1 << (header.id & 255);
            uint256 word = _claimed[record.operator][header.id >> 8];
            if (word & bit != 0) revert AlreadyClaimed(header.id, record.operator);
            _claimed[record.operator][header.id >> 8] = word | bit;
        }
        balanceOf[record.operator] += amount;
        emit RewardsClaimed(record.operator, epoch, headers.length, amount);
    }

    /// @notice Pays out all that is credited to the sender.
    function withdraw() external {
        uint256 amount = balanceOf[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        balanceOf[msg.sender] = 0;
        emit Withdrawn(msg.sender, amount);
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert PaymentRefused(msg.sender, amount);
    }

    /// @notice The share of operator `index` of the task's epoch in the task's fee, and whether it was claimed.
    /// Reverts where it has none. Until the supplement window is over it can become less.
    function rewardOf(TaskHeader calldata header, uint16 index) external view returns (uint256 amount, bool claimed) {
        (Set memory set, OperatorRecords.Record memory record) = _record(header.epoch, index);
        amount = _share(header, index, record, set);
        claimed = _claimed[record.operator][header.id >> 8] & (1 << (header.id & 255)) != 0;
    }

    /// @dev A certificate does not write the first slot: what was requested is certified once there is a time for that.
    function _statusOf(Task storage task) internal view returns (uint8) {
        return task.finalizedAt != 0 ? CERTIFIED : task.status;
    }

    function _requireHeader(Task storage task, TaskHeader calldata header) internal view {
        if (bytes24(_hash(header)) != task.headerHash) revert HeaderMismatch(header.id);
    }

    /// @dev keccak256(abi.encode(header)): a header is words only, and lies in the call data as it is encoded.
    function _hash(TaskHeader calldata header) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let words := mload(0x40) // scratch beyond the free memory pointer
            calldatacopy(words, header, 512)
            hash := keccak256(words, 512)
        }
    }

    function _bitmapOf(Task storage task) internal view returns (uint256) {
        return task.manySigners ? (task.moreSigners << 64) | task.signers : task.signers;
    }

    function _setBitmap(Task storage task, uint256 bitmap) internal {
        task.signers = uint64(bitmap);
        if (bitmap >> 64 == 0) return;
        task.manySigners = true;
        task.moreSigners = bitmap >> 64;
    }

    /// @return first Whether it was not settled before.
    function _settle(TaskHeader calldata header) private returns (bool first) {
        uint256 bit = 1 << (header.id & 255);
        uint256 word = _settled[header.id >> 8];
        if (word & bit != 0) return false;
        _settled[header.id >> 8] = word | bit;
        pool += header.baseFee;
        address maker = models.makerOf(header.modelId);
        if (header.royalty != 0) balanceOf[maker] += header.royalty;
        emit TaskSettled(header.id, maker, header.royalty, header.baseFee);
        return true;
    }

    function _set(uint64 epoch) internal view returns (Set memory set) {
        (set.totalStake, set.count, set.blobs,) = epochs.setOf(epoch);
    }

    function _record(uint64 epoch, uint16 index)
        private
        view
        returns (Set memory set, OperatorRecords.Record memory record)
    {
        set = _set(epoch);
        if (index >= set.count) revert UnknownOperatorIndex(index, set.count);
        OperatorRecords.readInto(record, set.blobs, index);
    }

    /// @dev The share of an operator that signed. The signed weight is worked out again from the bitmap, which is cheaper
    /// than keeping it with every certificate.
    function _share(
        TaskHeader calldata header,
        uint256 index,
        OperatorRecords.Record memory record,
        Set memory set
    ) private view returns (uint256) {
        Task storage task = _tasks[header.id];
        if (_statusOf(task) != CERTIFIED) revert NotCertified(header.id);
        _requireHeader(task, header);
        uint256 bitmap = _bitmapOf(task);
        uint256 mine;
        uint256 signed = _signedWeight(header, bitmap, set);
        if (header.committeeSize == 0) {
            mine = (bitmap >> index) & 1 == 1 ? record.stake : 0;
        } else {
            for (uint256 seat = 0; bitmap != 0; (++seat, bitmap >>= 1)) {
                if (bitmap & 1 == 0) continue;
                uint256 point = Sortition.seatPoint(header.taskSeed, task.attempt, seat, set.totalStake);
                if (point >= record.stakeBefore && point - record.stakeBefore < record.stake) ++mine;
            }
        }
        if (mine == 0) revert DidNotSign(header.id, index);
        uint256 reward = header.fee - header.baseFee - header.royalty;
        return (reward * mine) / signed; // both factors are below 2^128
    }

    /// @dev For the whole set it counts the missing, who are few.
    function _signedWeight(TaskHeader calldata header, uint256 bitmap, Set memory set)
        internal
        view
        returns (uint256 signed)
    {
        if (header.committeeSize != 0) {
            for (; bitmap != 0; bitmap &= bitmap - 1) ++signed;
            return signed;
        }
        signed = set.totalStake;
        OperatorRecords.Record memory record;
        uint256 missing = ~bitmap & (type(uint256).max >> (256 - set.count));
        for (uint256 i = 0; missing != 0; (++i, missing >>= 1)) {
            if (missing & 1 == 0) continue;
            OperatorRecords.readInto(record, set.blobs, i);
            signed -= record.stake;
        }
    }
}
