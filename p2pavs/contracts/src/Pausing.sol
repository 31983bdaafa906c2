// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {FeeMarket} from "./FeeMarket.sol";
import {Owned} from "./Owned.sol";

/// @title Pauses: they stop new requests, and the clock of the tasks that exist
/// @notice A task's deadline moves by the time for which the gateway is paused after its request, by `longestPause` at
/// most, so a pause cannot hold money back for ever. Certificates, refunds, claims and withdrawals are never stopped.
/// @dev A task keeps the number of the pauses before it. Its extension is then the difference of two sums, and is
/// read only where the deadline has passed.
abstract contract Pausing is FeeMarket, Owned {
    error PausedAlready();
    error NotPaused();
    error TooManyPauses(uint256 maximum);
    error WrongLongestPause(uint40 seconds_, uint256 maximum);

    event RequestsPaused(bool paused);

    struct Pause {
        uint40 from; // unix seconds
        uint40 until; // 0 while it lasts
        uint40 before; // seconds of all pauses before it, together
    }

    uint256 private constant MAX_LONGEST_PAUSE = 30 days;

    /// By how many seconds pauses move a deadline at most.
    uint40 public immutable longestPause;

    mapping(uint256 number => Pause) private _pauses; // from 1
    uint256[49] private __gap; // room for variables of later versions

    constructor(uint40 longestPause_) {
        if (longestPause_ > MAX_LONGEST_PAUSE) revert WrongLongestPause(longestPause_, MAX_LONGEST_PAUSE);
        longestPause = longestPause_;
    }

    /// @notice Stops new requests, or allows them again.
    function setPaused(bool paused_) external onlyOwner {
        Market memory market = _market;
        if (paused_) {
            if (market.paused) revert PausedAlready();
            if (market.pauses == type(uint8).max) revert TooManyPauses(type(uint8).max);
            uint40 before = uint40(_pausedSeconds(market.pauses));
            _pauses[++market.pauses] = Pause(uint40(block.timestamp), 0, before);
        } else {
            if (!market.paused) revert NotPaused();
            _pauses[market.pauses].until = uint40(block.timestamp);
        }
        market.paused = paused_;
        _market = market;
        emit RequestsPaused(paused_);
    }

    /// @notice Whether new requests are refused.
    function paused() external view returns (bool) {
        return _market.paused;
    }

    /// @dev By how many seconds the pauses until now move the deadline of a task that came after `pauses` of them.
    function _extension(uint8 pauses) internal view returns (uint256 extension) {
        uint8 all = _market.pauses;
        if (all == pauses) return 0;
        extension = _pausedSeconds(all) - _pausedSeconds(pauses);
        if (extension > longestPause) extension = longestPause;
    }

    /// @dev Whether a pause began after the first `pauses` ones and not later than at `time`.
    function _pausedUntil(uint8 pauses, uint256 time) internal view returns (bool) {
        return _market.pauses != pauses && _pauses[uint256(pauses) + 1].from <= time;
    }

    /// @dev How long the first `pauses` pauses took until now, together.
    function _pausedSeconds(uint8 pauses) private view returns (uint256) {
        if (pauses == 0) return 0;
        Pause memory last = _pauses[pauses];
        return last.before + (last.until == 0 ? block.timestamp : last.until) - last.from;
    }
}
