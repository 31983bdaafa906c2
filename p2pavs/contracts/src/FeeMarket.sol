// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "./interfaces/IEpochManager.sol";

/// @title What computing costs, and who may ask for how much of it
/// @notice A base fee for each compute unit follows demand by the rule of EIP-1559: it rises by up to an eighth a block
/// while blocks ask for more than the target, and falls while they ask for less. A block takes twice the target.
/// Besides, each requester has a bucket of units that empties with time, so that one cannot fill all blocks.
/// Stake gives priority, to operators and to those who delegate to them: it makes the bucket larger, in proportion, and
/// the last quarter of each block is for requesters with stake behind them.
abstract contract FeeMarket {
    error WrongFeeTerms();
    error BlockFull(uint256 units, uint256 left);
    error RequesterAtLimit(address requester, uint256 units, uint256 available);

    struct FeeTerms {
        uint64 minimumBaseFee; // wei a unit
        uint32 targetUnits; // a block
        uint64 bucketUnits; // of a requester without stake
        uint64 stakedUnits; // more, for one with all stake; in proportion for others
        uint32 bucketSeconds; // until a full bucket is empty
    }

    /// @dev One slot: a request writes it anyway, to count the tasks.
    struct Market {
        uint64 taskCount;
        uint64 baseFee; // wei a unit, of block `number`
        uint40 number;
        uint32 units; // asked for in that block
        bool paused;
        uint8 pauses; // that ever began
    }

    struct Bucket {
        uint128 units; // asked for and not forgotten yet
        uint64 since; // seconds
    }

    /// A prompt token is read in a batch, and costs about an eighth of a generated one; it has some four bytes.
    uint256 private constant INPUT_BYTES_PER_UNIT = 32;
    uint256 private constant CHANGE_DENOMINATOR = 8;
    uint256 private constant ELASTICITY = 2;
    uint256 private constant RESERVED_PART = 4;
    /// After so many empty blocks even the highest base fee is at the minimum.
    uint256 private constant MOST_EMPTY_BLOCKS = 256;

    uint64 public immutable minimumBaseFee;
    uint32 public immutable targetUnits;
    uint64 public immutable bucketUnits;
    uint64 public immutable stakedUnits;
    uint32 public immutable bucketSeconds;

    Market internal _market;
    mapping(address requester => Bucket) private _buckets;
    uint256[48] private __gap; // room for variables of later versions

    constructor(FeeTerms memory terms) {
        if (terms.targetUnits == 0 || terms.bucketUnits == 0 || terms.bucketSeconds == 0) revert WrongFeeTerms();
        // Below 8 the base fee could not fall, nor rise from 0.
        if (terms.minimumBaseFee < CHANGE_DENOMINATOR) revert WrongFeeTerms();
        if (terms.targetUnits > type(uint32).max / ELASTICITY) revert WrongFeeTerms();
        (minimumBaseFee, targetUnits) = (terms.minimumBaseFee, terms.targetUnits);
        (bucketUnits, stakedUnits) = (terms.bucketUnits, terms.stakedUnits);
        bucketSeconds = terms.bucketSeconds;
    }

    /// @dev Once, in the initializer: what a constructor writes is not in the proxy.
    function _openMarket() internal {
        _market.baseFee = minimumBaseFee;
        _market.number = uint40(block.number);
    }

    /// @notice How many units a request is: one for each token it may generate, one for each 32 bytes of input.
    function computeUnits(uint256 maxTokens, uint256 inputLength) public pure returns (uint256) {
        return maxTokens + (inputLength + INPUT_BYTES_PER_UNIT - 1) / INPUT_BYTES_PER_UNIT;
    }

    /// @notice What a unit costs in this block, in wei.
    function baseFee() external view returns (uint256 fee) {
        (fee,) = _now(_market);
    }

    /// @notice How many more units this block takes from `requester`, and how many its bucket has room for.
    function unitsLeft(address requester) public view returns (uint256 ofBlock, uint256 ofRequester) {
        (, uint256 used) = _now(_market);
        (uint256 size, bool staked) = _stakedSize(requester);
        ofBlock = _blockLimit(staked);
        ofBlock = used < ofBlock ? ofBlock - used : 0;
        ofRequester = _room(_level(_buckets[requester], size), size);
    }

    /// @dev Takes units from this block and from the requester's bucket, and gives the base fee for each.
    function _takeUnits(Market memory market, uint256 units, address requester) internal returns (uint256 fee) {
        uint256 used;
        (fee, used) = _now(market);
        uint256 size = bucketUnits;
        bool staked;
        bool known;
        if (used + units > _blockLimit(false)) {
            // Stake is looked up only where it is needed: most requesters never do.
            (size, staked) = _stakedSize(requester);
            known = true;
            uint256 limit = _blockLimit(staked);
            if (used + units > limit) revert BlockFull(units, used < limit ? limit - used : 0);
        }
        market.baseFee = uint64(fee);
        market.number = uint40(block.number);
        market.units = uint32(used + units);

        Bucket storage bucket = _buckets[requester];
        uint256 level = _level(bucket, size);
        if (level + units > size && !known) {
            (size,) = _stakedSize(requester);
            level = _level(bucket, size);
        }
        if (level + units > size) revert RequesterAtLimit(requester, units, _room(level, size));
        bucket.units = uint128(level + units);
        bucket.since = uint64(block.timestamp);
    }

    /// @return fee The base fee of this block.
    /// @return used The units this block has been asked for.
    function _now(Market memory market) private view returns (uint256 fee, uint256 used) {
        fee = market.baseFee;
        if (market.number == block.number) return (fee, market.units);
        uint256 target = targetUnits;
        if (market.units > target) {
            uint256 rise = (fee * (market.units - target)) / target / CHANGE_DENOMINATOR;
            fee += rise == 0 ? 1 : rise;
            if (fee > type(uint64).max) fee = type(uint64).max;
        } else {
            fee -= (fee * (target - market.units)) / target / CHANGE_DENOMINATOR;
        }
        uint256 empty = block.number - market.number - 1;
        if (empty > MOST_EMPTY_BLOCKS) fee = minimumBaseFee;
        for (; empty > 0 && fee > minimumBaseFee; --empty) {
            fee -= fee / CHANGE_DENOMINATOR;
        }
        if (fee < minimumBaseFee) fee = minimumBaseFee;
    }

    /// @dev The units a block takes from those without stake, or with.
    function _blockLimit(bool staked) private view returns (uint256 limit) {
        limit = ELASTICITY * targetUnits;
        if (!staked) limit -= limit / RESERVED_PART;
    }

    /// @return size Of the requester's bucket.
    /// @return staked Whether there is stake behind it.
    function _stakedSize(address requester) private view returns (uint256 size, bool staked) {
        size = bucketUnits;
        IEpochManager epochs = _epochManager();
        uint64 epoch = epochs.currentEpoch();
        if (epoch == 0) return (size, false);
        uint256 stake = epochs.stakes().backingOf(requester);
        if (stake == 0) return (size, false);
        (uint128 total,,,) = epochs.setOf(epoch);
        size += stake >= total ? stakedUnits : (stakedUnits * stake) / total;
        staked = true;
    }

    /// @dev A bucket that was larger, with more stake behind it, may hold more than it has room for.
    function _room(uint256 level, uint256 size) private pure returns (uint256) {
        return level < size ? size - level : 0;
    }

    /// @dev What is left in a bucket of this size: it empties evenly.
    function _level(Bucket storage bucket, uint256 size) private view returns (uint256) {
        uint256 forgotten = (size * (block.timestamp - bucket.since)) / bucketSeconds;
        return forgotten >= bucket.units ? 0 : bucket.units - forgotten;
    }

    function _epochManager() internal view virtual returns (IEpochManager);
}
