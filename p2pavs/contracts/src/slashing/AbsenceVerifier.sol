// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "../interfaces/IEpochManager.sol";
import {IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {ITaskGateway} from "../interfaces/ITaskGateway.sol";
import {OperatorRecords, RECORD_BLOBS} from "../libraries/OperatorRecords.sol";
import {Sortition} from "../libraries/Sortition.sol";

/// @title An operator that is hardly ever there
/// @notice It is missing from the certificates of at least `least` of `window` tasks in a row. Being left out by a poster
/// is no fault: who voted can add itself to a certificate until its supplement window is over, and only then does the
/// task count. Where seats were drawn, an operator is missing if it had a seat and none of its seats signed. What met a
/// pause does not count.
/// @dev Not every task of the window need be the operator's, so the rule is at least as mild as counting only those.
contract AbsenceVerifier is IEvidenceVerifier {
    error ZeroAddress();
    error WrongRule(uint16 least, uint16 window);
    error TooFewTasks(uint256 tasks, uint256 least);
    error NotAscending(uint256 id);
    error WindowTooWide(uint256 firstTask, uint256 lastTask, uint256 window);
    error NotDrawn(uint256 id, address operator);
    error SupplementOpen(uint256 id, uint256 until);
    error PausedMeanwhile(uint256 id);
    error NotCertified(uint256 id);
    error AnotherOperator(uint256 id, address found, address expected);
    error NotInTheSet(uint256 id, uint16 index);
    error WasThere(uint256 id, address operator);

    struct Absence {
        address operator;
        ITaskGateway.TaskHeader[] headers; // ascending by id
        uint16[] indexes; // the operator's, in the set of each task's epoch
    }

    uint8 private constant CERTIFIED = 2;

    ITaskGateway public immutable gateway;
    IEpochManager public immutable epochs;
    uint16 public immutable least;
    uint16 public immutable window;

    constructor(ITaskGateway gateway_, IEpochManager epochs_, uint16 least_, uint16 window_) {
        if (address(gateway_) == address(0) || address(epochs_) == address(0)) revert ZeroAddress();
        if (least_ == 0 || window_ < least_) revert WrongRule(least_, window_);
        (gateway, epochs, least, window) = (gateway_, epochs_, least_, window_);
    }

    /// @inheritdoc IEvidenceVerifier
    function check(bytes calldata evidence)
        external
        view
        returns (address operator, uint256 firstTask, uint256 lastTask)
    {
        return this.checkDecoded(abi.decode(evidence, (Absence)));
    }

    /// @notice `check`, with the evidence as a struct.
    function checkDecoded(Absence calldata e)
        external
        view
        returns (address operator, uint256 firstTask, uint256 lastTask)
    {
        operator = e.operator;
        uint256 tasks = e.headers.length;
        if (tasks < least || e.indexes.length != tasks) revert TooFewTasks(tasks, least);
        (firstTask, lastTask) = (e.headers[0].id, e.headers[tasks - 1].id);
        if (lastTask - firstTask >= window) revert WindowTooWide(firstTask, lastTask, window);
        for (uint256 i = 0; i < tasks; ++i) {
            if (i > 0 && e.headers[i].id <= e.headers[i - 1].id) revert NotAscending(e.headers[i].id);
            _requireAbsent(e.headers[i], e.indexes[i], operator);
        }
    }

    function _requireAbsent(ITaskGateway.TaskHeader calldata header, uint16 index, address operator) private view {
        uint256 id = header.id;
        gateway.requireHeader(header);
        _requireCounted(id);
        (uint128 total, uint16 count, address[RECORD_BLOBS] memory blobs,) = epochs.setOf(header.epoch);
        if (index >= count) revert NotInTheSet(id, index);
        OperatorRecords.Record memory record;
        OperatorRecords.readInto(record, blobs, index);
        if (record.operator != operator) revert AnotherOperator(id, record.operator, operator);
        (bool drawn, bool signed) = header.committeeSize == 0
            ? (true, (gateway.signersOf(id) >> index) & 1 == 1)
            : _seats(header, record, total);
        if (!drawn) revert NotDrawn(id, operator);
        if (signed) revert WasThere(id, operator);
    }

    /// @dev Certified, with nobody left who could be added, and never paused meanwhile.
    function _requireCounted(uint256 id) private view {
        (uint8 status,, uint64 finalizedAt,) = gateway.resultOf(id);
        if (status != CERTIFIED) revert NotCertified(id);
        uint256 until = uint256(finalizedAt) + gateway.supplementWindow();
        if (block.timestamp < until) revert SupplementOpen(id, until);
        if (gateway.wasPaused(id)) revert PausedMeanwhile(id);
    }

    /// @dev Whether an operator had a seat in the committee that certified, and whether one of its seats signed.
    function _seats(ITaskGateway.TaskHeader calldata header, OperatorRecords.Record memory record, uint256 total)
        private
        view
        returns (bool drawn, bool signed)
    {
        uint256 attempt = gateway.attemptOf(header.id);
        uint256 signers = gateway.signersOf(header.id);
        for (uint256 seat = 0; seat < header.committeeSize; ++seat) {
            uint256 point = Sortition.seatPoint(header.taskSeed, attempt, seat, total);
            if (point < record.stakeBefore || point - record.stakeBefore >= record.stake) continue;
            drawn = true;
            if ((signers >> seat) & 1 == 1) return (true, true);
        }
    }
}
