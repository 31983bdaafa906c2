// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ICertificateVerifier} from "./interfaces/ICertificateVerifier.sol";
import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IInferenceConsumer} from "./interfaces/IInferenceConsumer.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ITaskGateway} from "./interfaces/ITaskGateway.sol";
import {RequestRules} from "./libraries/RequestRules.sol";
import {Words} from "./libraries/Words.sol";
import {Owned} from "./Owned.sol";
import {TaskLedger} from "./TaskLedger.sol";

/// @title Tasks: escrow, certificates, callbacks, refunds, rewards
/// @notice A task is requested with its whole fee in escrow. Until the deadline the first valid certificate settles
/// it and its signers share the fee by weight; afterwards anyone may have the fee credited back to the requester.
/// All payments are pulled. The owner can stop new requests and nothing else: tasks that exist are
/// certified, refunded and paid out regardless.
/// @dev State is settled before any call to an address that is not ours.
contract TaskGateway is TaskLedger, Owned {
    uint256 public constant MAX_INPUT = 16_384;
    uint256 public constant MAX_OUTPUT = 8_192;
    uint256 public constant MAX_COMMITTEE = 256;
    /// Who posts a certificate pays for the callback's gas.
    uint256 public constant MAX_CALLBACK_GAS = 1_000_000;

    uint8 private constant RESULT_COMPLETED = 1;
    uint8 private constant RESULT_REJECTED = 2;
    uint256 private constant PRECOMMIT = 3; // the kind of statement that certificates are made of

    /// What the call itself costs besides the callback's own gas: account access, call data, bookkeeping.
    uint256 private constant CALLBACK_OVERHEAD = 50_000;

    ICertificateVerifier public immutable verifier;
    IModelRegistry public immutable models;
    /// Seconds from a request to its deadline.
    uint64 public immutable minimumWindow;
    uint64 public immutable maximumWindow;

    bool public paused;
    uint256 public taskCount;

    constructor(
        IEpochManager epochs_,
        ICertificateVerifier verifier_,
        IModelRegistry models_,
        uint64 minimumWindow_,
        uint64 maximumWindow_
    ) TaskLedger(epochs_) {
        if (address(verifier_) == address(0) || address(models_) == address(0)) revert ZeroAddress();
        if (minimumWindow_ == 0 || maximumWindow_ < minimumWindow_) revert WrongWindow(minimumWindow_, maximumWindow_);
        (verifier, models) = (verifier_, models_);
        (minimumWindow, maximumWindow) = (minimumWindow_, maximumWindow_);
    }

    // --- requests ---------------------------------------------------------------------------------------------

    /// @notice Asks for inference. The fee is fixed now; what is paid beyond it is credited back.
    function requestInference(InferenceRequest calldata request) external payable returns (uint256 id) {
        if (paused) revert RequestsArePaused();
        _checkRequest(request);
        (uint64 epoch, bytes32 seed, uint16 operators) = epochs.current();
        if (epoch == 0) revert NoEpochOpen();
        uint256 fee = _checkTerms(request, operators);
        if (msg.value < fee) revert FeeTooLow(msg.value, fee);
        if (msg.value > fee) balanceOf[msg.sender] += msg.value - fee;

        id = ++taskCount;
        TaskHeader memory header = TaskHeader({
            id: id,
            requester: msg.sender,
            modelId: request.modelId,
            requestHash: keccak256(abi.encode(request.input, request.params)),
            mode: request.mode,
            committeeSize: request.committeeSize,
            epoch: epoch,
            taskSeed: Words.words(
                Words.TASK, block.chainid, uint256(uint160(address(this))), id, uint256(seed), block.prevrandao
            ),
            deadline: request.deadline,
            fee: uint128(fee),
            callback: request.callback,
            callbackGas: request.callbackGas
        });
        Task storage task = _tasks[id];
        task.status = REQUESTED;
        task.deadline = request.deadline;
        task.headerHash = keccak256(abi.encode(header));
        emit TaskRequested(id, msg.sender, request.modelId, header, request.input, request.params);
    }

    /// @notice What a task of this model costs, in wei.
    function quote(bytes32 modelId, uint32 maxTokens) external view returns (uint256) {
        (,, uint128 perTask, uint128 perToken) = models.termsOf(modelId);
        return uint256(perTask) + uint256(perToken) * maxTokens;
    }

    /// @notice Stops new requests, or allows them again. Touches nothing that exists.
    function setPaused(bool paused_) external onlyOwner {
        paused = paused_;
        emit RequestsPaused(paused_);
    }

    // --- certificates -----------------------------------------------------------------------------------------

    /// @notice Settles a task: the first valid certificate before the deadline wins.
    function submitCertificate(TaskHeader calldata header, Certificate calldata certificate, bytes calldata output)
        external
    {
        Task storage task = _tasks[header.id];
        // Members race to post, so the losers' answer comes first and costs one read.
        if (task.status == CERTIFIED) revert AlreadyCertified(header.id);
        if (task.status == NONE) revert UnknownTask(header.id);
        if (task.status == REFUNDED) revert AlreadyRefunded(header.id);
        if (block.timestamp > task.deadline) revert DeadlinePassed(header.id, task.deadline);
        _requireHeader(task, header);
        // Another attempt is another committee: whoever could choose the attempt could choose the committee.
        if (certificate.attempt != 0) revert UnknownAttempt(certificate.attempt);
        _checkResult(header.modelId, certificate.result, output);

        bytes32 value = valueIdOf(certificate.result);
        (uint256 signed, uint256 total) = verifier.verify(
            header.epoch,
            header.taskSeed,
            certificate.attempt,
            header.committeeSize,
            statementOf(header, certificate.attempt, uint8(PRECOMMIT), certificate.round, value),
            certificate.bitmap,
            certificate.seatHints,
            certificate.signature
        );

        task.status = CERTIFIED;
        task.resultStatus = certificate.result.status;
        task.signedBps = uint16((signed * 10_000) / total);
        task.outputLength = uint16(output.length);
        task.attempt = certificate.attempt;
        task.finalizedAt = uint64(block.timestamp);
        task.value = _commitment(output);
        task.bitmap = certificate.bitmap;
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

    /// @notice Delivers a result whose callback failed, with all the gas of this call.
    function retryCallback(TaskHeader calldata header, bytes calldata output) external {
        Task storage task = _tasks[header.id];
        if (task.status != CERTIFIED) revert NotCertified(header.id);
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
        if (task.status == NONE) revert UnknownTask(header.id);
        if (task.status == CERTIFIED) revert AlreadyCertified(header.id);
        if (task.status == REFUNDED) revert AlreadyRefunded(header.id);
        if (block.timestamp <= task.deadline) revert DeadlineNotPassed(header.id, task.deadline);
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
        status = task.status;
        if (status == REQUESTED && block.timestamp > task.deadline) status = EXPIRED;
        if (status == CERTIFIED) (value, finalizedAt, signedBps) = (task.value, task.finalizedAt, task.signedBps);
    }

    /// @notice Whether `output` is what was certified for this task.
    function verifyResult(uint256 id, bytes calldata output) external view returns (bool) {
        Task storage task = _tasks[id];
        return task.status == CERTIFIED && _isResult(task, output);
    }

    /// @inheritdoc ITaskGateway
    function requireHeader(TaskHeader calldata header) external view {
        _requireHeader(_tasks[header.id], header);
    }

    /// @inheritdoc ITaskGateway
    function signersOf(uint256 id) external view returns (uint256 bitmap) {
        return _tasks[id].bitmap;
    }

    /// @notice Whether a callback waits for `retryCallback`.
    function callbackPending(uint256 id) external view returns (bool) {
        return _tasks[id].callbackFailed;
    }

    /// @inheritdoc ITaskGateway
    function committeeRoot(TaskHeader calldata header, uint16 attempt) public view returns (bytes32) {
        // The header's hash too: blocks side by side can give two tasks one number and one seed.
        return keccak256(
            abi.encode(
                Words.COMMITTEE,
                header.epoch,
                epochs.setRootOf(header.epoch),
                header.taskSeed,
                attempt,
                header.committeeSize,
                keccak256(abi.encode(header))
            )
        );
    }

    /// @notice The 32 bytes that a member signs.
    function statementOf(TaskHeader calldata header, uint16 attempt, uint8 kind, uint32 round, bytes32 value)
        public
        view
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                Words.STATEMENT,
                kind,
                block.chainid,
                address(this),
                header.id,
                attempt,
                committeeRoot(header, attempt),
                round,
                value
            )
        );
    }

    /// @notice The name of a result in votes and certificates.
    function valueIdOf(Result calldata result) public pure returns (bytes32) {
        return keccak256(abi.encode(Words.RESULT, result));
    }

    // --- internals --------------------------------------------------------------------------------------------

    function _checkRequest(InferenceRequest calldata request) private view {
        if (request.input.length == 0) revert InputEmpty();
        if (request.input.length > MAX_INPUT) revert InputTooLarge(request.input.length, MAX_INPUT);
        if (request.mode > 1) revert UnknownMode(request.mode);
        if (request.callbackGas > MAX_CALLBACK_GAS) {
            revert CallbackGasTooHigh(request.callbackGas, MAX_CALLBACK_GAS);
        }
        uint256 earliest = block.timestamp + minimumWindow;
        if (request.deadline < earliest) revert DeadlineTooNear(request.deadline, earliest);
        uint256 latest = block.timestamp + maximumWindow;
        if (request.deadline > latest) revert DeadlineTooFar(request.deadline, latest);

        RequestRules.check(request.params);
    }

    /// @dev The model's terms: is it on, is the committee large enough for it, what does it cost.
    function _checkTerms(InferenceRequest calldata request, uint256 operators) private view returns (uint256) {
        (bool active, uint16 minCommittee, uint128 perTask, uint128 perToken) = models.termsOf(request.modelId);
        if (!active) revert ModelInactive(request.modelId);
        if (request.committeeSize > MAX_COMMITTEE) revert CommitteeTooLarge(request.committeeSize, MAX_COMMITTEE);
        uint256 size = request.committeeSize == 0 ? operators : request.committeeSize;
        if (size < minCommittee) revert CommitteeTooSmall(size, minCommittee);
        return uint256(perTask) + uint256(perToken) * request.params.maxTokens;
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
