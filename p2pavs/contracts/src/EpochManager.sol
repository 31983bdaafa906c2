// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {IStakeSource} from "./interfaces/IStakeSource.sol";
import {BLS12381} from "./libraries/BLS12381.sol";
import {OperatorRecords} from "./libraries/OperatorRecords.sol";
import {Sortition} from "./libraries/Sortition.sol";
import {Words} from "./libraries/Words.sol";
import {OperatorSets} from "./OperatorSets.sol";

/// @title Epochs and the beacon
/// @notice An epoch begins in two steps. `freeze` writes down who counts and for how much; anyone may do it. `reveal`,
/// in a later block, makes the seed out of a leader's signature, which is unique: a verifiable random function.
/// Leaders are drawn by stake from the running epoch, one for each rank, and each rank has a window of blocks of its
/// own. Who lets its window pass cannot come back to it after it has seen the next leader's signature.
contract EpochManager is OperatorSets {
    error EpochNotDue(uint256 dueBlock, uint256 blockNumber);
    error AlreadyFrozen(uint64 epoch);
    error NothingFrozen(uint64 epoch);
    error SameBlockAsFreeze(uint256 blockNumber);
    error WrongRevealBlocks(uint64 revealBlocks);
    error NoLeaderYet(uint64 epoch);
    error LadderOver(uint64 epoch, uint256 rank);
    error LadderNotOver(uint256 overAfterBlock, uint256 blockNumber);
    error NotTheLeader(uint16 index, uint256 rank);

    /// Leaders that are asked, one after another, before the block's own randomness is taken.
    uint256 public constant RANKS = 32;

    /// Blocks that an epoch lasts at least.
    uint64 public immutable epochLength;
    /// Blocks that each leader has to reveal.
    uint64 public immutable revealBlocks;

    constructor(IOperatorRegistry operators_, IStakeSource stakes_, uint64 epochLength_, uint64 revealBlocks_)
        OperatorSets(operators_, stakes_)
    {
        // A transaction is tried out on one block and lands in the next: both must be in the window.
        if (revealBlocks_ < 2) revert WrongRevealBlocks(revealBlocks_);
        (epochLength, revealBlocks) = (epochLength_, revealBlocks_);
    }

    /// @inheritdoc IEpochManager
    function freeze(bytes calldata keys) external {
        uint64 next = currentEpoch + 1;
        Epoch storage epoch = _epochs[next];
        // A set that was never opened grows old: stake in it may have been paid out. Then it is frozen anew.
        if (epoch.frozenAt != 0 && block.number <= _ladderEnd(epoch) + epochLength) revert AlreadyFrozen(next);
        bytes32 before;
        if (next > 1) {
            uint256 due = dueBlock();
            if (block.number < due) revert EpochNotDue(due, block.number);
            before = _epochs[next - 1].seed;
        }
        if (!_snapshot(next, keys)) return;
        // Without the block's randomness the first leader would know its output long before the set is frozen, and
        // could fit the set to it.
        epoch.seed = Words.words(Words.PRE_SEED, uint256(before), next, block.prevrandao);
    }

    /// @inheritdoc IEpochManager
    function reveal(uint16 index, bytes calldata keyHint, bytes calldata proof) external {
        (uint64 next, Epoch storage epoch) = _frozen();
        if (next == 1) revert NoLeaderYet(next);
        uint256 rank = (block.number - epoch.frozenAt - 1) / revealBlocks;
        if (rank >= RANKS) revert LadderOver(next, rank);
        OperatorRecords.Record memory leader = _leader(next, rank, index);
        bytes32 preSeed = epoch.seed;
        if (keyHint.length != OperatorRecords.Y_LENGTH) revert OperatorRecords.WrongKeyHint(index);
        uint256 y;
        assembly ("memory-safe") {
            y := keyHint.offset
        }
        BLS12381.G1 memory key = OperatorRecords.keyOf(leader, y, index);
        bytes32 message = Words.words(
            Words.VRF_INPUT, block.chainid, uint256(uint160(address(this))), next, rank, uint256(preSeed)
        );
        BLS12381.requireSignature(key, message, BLS12381.VRF_DST, proof);
        (uint256 a, uint256 b, uint256 c) = BLS12381.compressSignature(proof);
        epoch.revealer = leader.operator;
        emit BeaconRevealed(next, leader.operator, uint16(rank));
        _open(next, Words.words(Words.NEXT_SEED, uint256(preSeed), uint256(Words.words(Words.VRF_OUTPUT, a, b, c))));
    }

    /// @inheritdoc IEpochManager
    function open() external {
        (uint64 next, Epoch storage epoch) = _frozen();
        if (next > 1 && block.number <= _ladderEnd(epoch)) revert LadderNotOver(_ladderEnd(epoch), block.number);
        _open(
            next,
            next == 1
                ? Words.words(Words.FIRST_SEED, block.chainid, uint256(uint160(address(this))), block.prevrandao)
                : Words.words(Words.FALLBACK_SEED, uint256(epoch.seed), block.prevrandao)
        );
    }

    /// @inheritdoc IEpochManager
    function pending() external view returns (uint64 epoch, uint64 frozenAt, bytes32 preSeed) {
        epoch = currentEpoch + 1;
        Epoch storage e = _epochs[epoch];
        return (epoch, e.frozenAt, e.seed);
    }

    /// @inheritdoc IEpochManager
    function dueBlock() public view returns (uint256 due) {
        Epoch storage running = _epochs[currentEpoch];
        due = uint256(running.openedAt) + epochLength;
        // The running set counts someone who has lost stake: another one is due from then on.
        uint64 slashedAt = stakes.lastSlashAt();
        if (slashedAt >= running.frozenAt && slashedAt < due) due = slashedAt;
    }

    function _open(uint64 next, bytes32 seed) private {
        Epoch storage epoch = _epochs[next];
        epoch.seed = seed;
        epoch.openedAt = uint40(block.number);
        currentEpoch = next;
        emit EpochOpened(next, seed);
    }

    function _frozen() private view returns (uint64 next, Epoch storage epoch) {
        next = currentEpoch + 1;
        epoch = _epochs[next];
        if (epoch.frozenAt == 0) revert NothingFrozen(next);
        if (block.number <= epoch.frozenAt) revert SameBlockAsFreeze(block.number);
    }

    /// @dev The last block in which a leader may reveal.
    function _ladderEnd(Epoch storage epoch) private view returns (uint256) {
        return uint256(epoch.frozenAt) + RANKS * revealBlocks;
    }

    /// @dev The record of operator `index` of the running epoch, if it is the leader of this rank.
    function _leader(uint64 next, uint256 rank, uint16 index)
        private
        view
        returns (OperatorRecords.Record memory record)
    {
        Head memory head = _headOf(next - 1);
        if (index >= _epochs[next - 1].count) revert NotTheLeader(index, rank);
        OperatorRecords.readInto(record, head.blobs, index);
        uint256 point = Sortition.draw(Words.LEADER, _epochs[next - 1].seed, next, rank, head.totalStake);
        if (point < record.stakeBefore || point - record.stakeBefore >= record.stake) {
            revert NotTheLeader(index, rank);
        }
    }
}
