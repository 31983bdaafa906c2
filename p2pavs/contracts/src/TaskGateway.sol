// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICertificateVerifier} from "./interfaces/ICertificateVerifier.sol";
import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IInferenceConsumer} from "./interfaces/IInferenceConsumer.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ITaskGateway} from "./interfaces/ITaskGateway.sol";
import {FeeMarket} from "./FeeMarket.sol";
import {Pausing} from "./Pausing.sol";
import {Results} from "./Results.sol";
import {CERTIFIED, EXPIRED, NONE, REFUNDED, REQUESTED, TaskLedger} from "./TaskLedger.sol";
import {TaskRequests} from "./TaskRequests.sol";
import {TaskStatements} from "./TaskStatements.sol";

/// @title Tasks: escrow, certificates, callbacks, refunds, rewards
/// @notice A task is requested with its whole fee in escrow. The time to its deadline is divided among its attempts, each
/// with a committee of its own. Until the deadline the first valid certificate settles it and its signers share the
/// reward by weight; afterwards anyone may have the fee credited back to the requester. All payments are pulled. The
/// owner can stop new requests, and nothing else.
/// @dev State is settled before any call to an address that is not ours. The contract stands behind a proxy: what can be
/// fixed is immutable and belongs to the implementation, the rest is laid out so that later versions only add to it.
contract TaskGateway is TaskStatements, TaskRequests {
    uint256 public constant MAX_OUTPUT = 8_192;

    uint8 private constant RESULT_COMPLETED = 1;
    uint8 private constant RESULT_REJECTED = 2;
    uint256 private constant PRECOMMIT = 3; // the kind of statement that certificates are made of

    /// What the call itself costs besides the callback's own gas: account access, call data, bookkeeping.
    uint256 private constant CALLBACK_OVERHEAD = 50_000;

    ICertificateVerifier public immutable verifier;

    /// What a gateway is made with, besides the other contracts.
    struct Terms {
        uint64 minimumWindow;
        uint64 maximumWindow;
        uint40 supplementWindow;
        uint40 longestPause;
        uint128 beaconReward;
        FeeTerms fees;
    }

    constructor(IEpochManager epochs_, ICertificateVerifier verifier_, IModelRegistry models_, Terms memory terms)
        TaskLedger(epochs_, models_, terms.supplementWindow, terms.beaconReward)
        FeeMarket(terms.fees)
        Pausing(terms.longestPause)
        TaskRequests(terms.minimumWindow, terms.maximumWindow)
    {
        _lock();
        if (address(verifier_) == address(0)) revert ZeroAddress();
        verifier = verifier_;
    }

    /// @notice Begins the life of a gateway. Once, by the proxy's constructor.
    function initialize(address owner_) external {
        _setFirstOwner(owner_);
        _openMarket();
    }

    // --- certificates -----------------------------------------------------------------------------------------

    /// @notice Settles a task: the first valid certificate before the deadline wins.
    function submitCertificate(TaskHeader calldata header, Certificate calldata certificate, bytes calldata output)
        external
    {
        Task storage task = _tasks[header.id];
        // Members race to post, so the losers' answer comes first and costs one read.
        _requireRequested(task, header.id);
        if (_isLate(task)) revert DeadlinePassed(header.id, _deadline(task));
        _requireHeader(task, header);
        // Another attempt is another committee, so only time begins attempts: whoever could choose one could choose the
        // committee. What an earlier one decided late is good all the same.
        _requireBegun(header, certificate.attempt);
        _checkResult(header.modelId, certificate.result, output);

        bytes32 value = valueIdOf(certificate.result);
        (uint256 signed, uint256 total) = verifier.verify(
            header.epoch,
            header.taskSeed,
            certificate.attempt,
            header.committeeSize,
            statementOf(header, certificate.attempt, uint8(PRECOMMIT), certificate.round, value),
            certificate.bitmap,
            certificate.hints,
            certificate.signature
        );

        task.resultStatus = certificate.result.status;
        task.signedBps = uint16((signed * 10_000) / total);
        task.outputLength = uint16(output.length);
        task.attempt = uint8(certificate.attempt);
        task.finalizedAt = uint40(block.timestamp);
        task.decision = _decision(certificate.round, value);
        _setBitmap(task, certificate.bitmap);
        task.value = _commitment(output);
        emit TaskCertified(
            header.id,
            header.modelId,
            msg.sender,
            header.epoch,
            certificate.attempt,
            certificate.round,
            value,
            certificate.bitmap,
            signed,
            total,
            certificate.result,
            output
        );

        if (header.callback == address(0)) return;
        if (!_deliver(header, certificate.result.status, output, header.callbackGas)) {
            task.callbackFailed = true;
            emit CallbackFailed(header.id, header.callback);
        }
    }

    /// @notice Adds precommits that a certificate left out, so that those who signed in time share the reward and do not
    /// count as absent. For some time after the certificate; anyone may do it.
    function supplement(TaskHeader calldata header, Supplement calldata late) external {
        Task storage task = _tasks[header.id];
        if (_statusOf(task) != CERTIFIED) revert NotCertified(header.id);
        uint256 until = uint256(task.finalizedAt) + supplementWindow;
        if (block.timestamp >= until) revert SupplementTooLate(header.id, until);
        _requireHeader(task, header);
        if (_decision(late.round, late.value) != task.decision) revert NotTheDecision(header.id);
        uint256 bitmap = _bitmapOf(task);
        if (late.bitmap == 0) revert NothingToAdd(header.id);
        if (late.bitmap & bitmap != 0) revert SignedAlready(header.id, late.bitmap & bitmap);
        verifier.verifySome(
            header.epoch,
            header.taskSeed,
            task.attempt,
            header.committeeSize,
            statementOf(header, task.attempt, uint8(PRECOMMIT), late.round, late.value),
            late.bitmap,
            late.hints,
            late.signature
        );
        bitmap |= late.bitmap;
        _setBitmap(task, bitmap);
        Set memory set = _set(header.epoch);
        uint256 signed = _signedWeight(header, bitmap, set);
        uint256 total = header.committeeSize == 0 ? set.totalStake : header.committeeSize;
        task.signedBps = uint16((signed * 10_000) / total);
        emit TaskSupplemented(header.id, header.epoch, bitmap, signed, total);
    }

    /// @notice Delivers a result whose callback failed, with all the gas of this call.
    function retryCallback(TaskHeader calldata header, bytes calldata output) external {
        Task storage task = _tasks[header.id];
        if (_statusOf(task) != CERTIFIED) revert NotCertified(header.id);
        _requireHeader(task, header);
        if (!task.callbackFailed) revert NoCallbackToRetry(header.id);
        if (!_isResult(task, output)) revert WrongOutput(header.id);
        task.callbackFailed = false;
        emit CallbackRetried(header.id, header.callback);
        if (!_deliver(header, task.resultStatus, output, type(uint256).max)) revert CallbackFailedAgain(header.id);
    }

    /// @notice Credits the fee of a task that nobody certified in time back to its requester.
    function refund(TaskHeader calldata header) external {
        Task storage task = _tasks[header.id];
        _requireRequested(task, header.id);
        if (!_isLate(task)) revert DeadlineNotPassed(header.id, _deadline(task));
        _requireHeader(task, header);
        task.status = REFUNDED;
        balanceOf[header.requester] += header.fee;
        emit TaskRefunded(header.id, header.requester, header.fee);
    }

    // --- views ------------------------------------------------------------------------------------------------

    /// @inheritdoc ITaskGateway
    function resultOf(uint256 id)
        external
        view
        returns (uint8 status, bytes32 value, uint64 finalizedAt, uint16 signedBps)
    {
        Task storage task = _tasks[id];
        (status, value, finalizedAt, signedBps) = Results.read(task);
        if (status == REQUESTED && _isLate(task)) status = EXPIRED;
    }

    /// @notice Whether `output` is what was certified for this task.
    function verifyResult(uint256 id, bytes calldata output) external view returns (bool) {
        Task storage task = _tasks[id];
        return _statusOf(task) == CERTIFIED && _isResult(task, output);
    }

    /// @inheritdoc ITaskGateway
    function requireHeader(TaskHeader calldata header) external view {
        _requireHeader(_tasks[header.id], header);
    }

    /// @inheritdoc ITaskGateway
    function signersOf(uint256 id) external view returns (uint256 bitmap) {
        return _bitmapOf(_tasks[id]);
    }

    /// @inheritdoc ITaskGateway
    function attemptOf(uint256 id) external view returns (uint8) {
        return _tasks[id].attempt;
    }

    /// @notice Whether a callback waits for `retryCallback`.
    function callbackPending(uint256 id) external view returns (bool) {
        return _tasks[id].callbackFailed;
    }

    /// @inheritdoc ITaskGateway
    function deadlineOf(uint256 id) external view returns (uint256) {
        return _deadline(_tasks[id]);
    }

    /// @inheritdoc ITaskGateway
    function wasPaused(uint256 id) external view returns (bool) {
        Task storage task = _tasks[id];
        return _pausedUntil(task.pauses, task.finalizedAt);
    }

    // --- internals --------------------------------------------------------------------------------------------

    function _requireRequested(Task storage task, uint256 id) private view {
        if (task.finalizedAt != 0) revert AlreadyCertified(id);
        if (task.status == NONE) revert UnknownTask(id);
        if (task.status == REFUNDED) revert AlreadyRefunded(id);
    }

    function _isLate(Task storage task) private view returns (bool) {
        return block.timestamp > task.deadline && block.timestamp > _deadline(task);
    }

    function _deadline(Task storage task) private view returns (uint256) {
        return task.deadline + _extension(task.pauses);
    }

    function _requireBegun(TaskHeader calldata header, uint16 attempt) private view {
        if (attempt >= header.attempts) revert UnknownAttempt(attempt, header.attempts);
        if (attempt == 0) return;
        uint256 begins = attemptStart(header, attempt);
        if (block.timestamp < begins) revert AttemptNotBegun(attempt, begins);
    }

    /// @dev 96 bits: to pass off another value as the certified one takes a second preimage.
    function _decision(uint32 round, bytes32 value) private pure returns (bytes12) {
        return bytes12(keccak256(abi.encode(round, value)));
    }

    function _checkResult(bytes32 modelId, Result calldata result, bytes calldata output) private view {
        if (result.status != RESULT_COMPLETED && result.status != RESULT_REJECTED) {
            revert UnknownResultStatus(result.status);
        }
        if (output.length > MAX_OUTPUT) revert OutputTooLarge(output.length, MAX_OUTPUT);
        if (result.outputLength != output.length) revert OutputLengthMismatch(result.outputLength, output.length);
        bytes32 outputHash = keccak256(output);
        if (result.outputHash != outputHash) revert OutputHashMismatch(result.outputHash, outputHash);
        bytes32 profile = models.runtimeProfileOf(modelId);
        if (result.runtimeProfile != profile) revert WrongRuntimeProfile(result.runtimeProfile, profile);
    }

    function _commitment(bytes calldata output) private pure returns (bytes32) {
        return output.length <= 32 ? bytes32(output) : keccak256(output);
    }

    function _isResult(Task storage task, bytes calldata output) private view returns (bool) {
        return output.length == task.outputLength && _commitment(output) == task.value;
    }

    /// @dev Calls the consumer with `gasLimit`, or with all that may be passed on where that is less; never with less
    /// than the header asks for. What the consumer returns is not copied: it could be made to cost anything.
    function _deliver(TaskHeader calldata header, uint8 status, bytes calldata output, uint256 gasLimit)
        private
        returns (bool delivered)
    {
        bytes memory data = abi.encodeCall(IInferenceConsumer.onInference, (header.id, status, output));
        // A call gets at most 63/64 of what is left. Without this check, who posts could give the consumer
        // too little and have its failure recorded.
        uint256 needed = (uint256(header.callbackGas) * 64) / 63 + CALLBACK_OVERHEAD;
        if (gasleft() < needed) revert NotEnoughCallbackGas(gasleft(), needed);
        address callback = header.callback;
        assembly ("memory-safe") {
            delivered := call(gasLimit, callback, 0, add(data, 32), mload(data), 0, 0)
        }
    }
}
