// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {ITaskGateway} from "./interfaces/ITaskGateway.sol";
import {RequestRules} from "./libraries/RequestRules.sol";
import {Words} from "./libraries/Words.sol";
import {Pausing} from "./Pausing.sol";
import {REQUESTED, TaskLedger} from "./TaskLedger.sol";

/// @title Requests: what may be asked, and what it costs
/// @notice The whole fee is fixed and taken when a task is requested, and lies in escrow until the task is certified or
/// refunded.
abstract contract TaskRequests is TaskLedger, Pausing {
    uint256 public constant MAX_INPUT = 16_384;
    uint256 public constant MAX_COMMITTEE = 256;
    uint256 public constant MAX_ATTEMPTS = 4;
    /// Who posts a certificate pays for the callback's gas.
    uint256 public constant MAX_CALLBACK_GAS = 1_000_000;

    /// Seconds: the least for each attempt, the most from a request to its deadline.
    uint64 public immutable minimumWindow;
    uint64 public immutable maximumWindow;

    constructor(uint64 minimumWindow_, uint64 maximumWindow_) {
        if (minimumWindow_ == 0 || maximumWindow_ < minimumWindow_) {
            revert WrongWindow(minimumWindow_, maximumWindow_);
        }
        (minimumWindow, maximumWindow) = (minimumWindow_, maximumWindow_);
    }

    /// @notice Asks for inference. The fee is fixed now; what is paid beyond it is credited back.
    function requestInference(InferenceRequest calldata request) external payable returns (uint256 id) {
        Market memory market = _market;
        if (market.paused) revert RequestsArePaused();
        _checkRequest(request);
        (uint64 epoch, bytes32 seed, uint16 operators) = epochs.current();
        if (epoch == 0) revert NoEpochOpen();

        id = ++market.taskCount;
        TaskHeader memory header;
        header.id = id;
        header.requester = msg.sender;
        header.requestHash = keccak256(abi.encode(request.input, request.params));
        header.mode = request.mode;
        header.committeeSize = request.committeeSize;
        header.epoch = epoch;
        header.attempts = request.attempts;
        header.taskSeed = Words.words(
            Words.TASK, block.chainid, uint256(uint160(address(this))), id, uint256(seed), block.prevrandao
        );
        header.requestedAt = uint64(block.timestamp);
        header.deadline = request.deadline;
        header.callback = request.callback;
        header.callbackGas = request.callbackGas;
        _price(header, market, request, operators);
        if (msg.value < header.fee) revert FeeTooLow(msg.value, header.fee);
        if (msg.value > header.fee) balanceOf[msg.sender] += msg.value - header.fee;

        _market = market;
        Task storage task = _tasks[id];
        task.status = REQUESTED;
        task.deadline = uint40(request.deadline);
        task.pauses = market.pauses;
        task.headerHash = bytes24(keccak256(abi.encode(header)));
        emit TaskRequested(id, msg.sender, header.modelId, header, request.input, request.params);
    }

    /// @inheritdoc ITaskGateway
    function quote(bytes32 model, uint32 maxTokens, uint256 inputLength) external view returns (uint256) {
        IModelRegistry.Terms memory terms = models.termsOf(model, epochs.currentEpoch());
        return _modelPrice(terms, maxTokens) + this.baseFee() * computeUnits(maxTokens, inputLength);
    }

    /// @inheritdoc ITaskGateway
    function quoteFor(address requester, bytes32 model, uint32 maxTokens, uint256 inputLength)
        external
        view
        returns (uint256 fee, bool fits)
    {
        fee = this.quote(model, maxTokens, inputLength);
        uint256 units = computeUnits(maxTokens, inputLength);
        (uint256 ofBlock, uint256 ofRequester) = unitsLeft(requester);
        fits = units <= ofBlock && units <= ofRequester;
    }

    /// @notice How many tasks there were; ids count from 1.
    function taskCount() external view returns (uint256) {
        return _market.taskCount;
    }

    function _checkRequest(InferenceRequest calldata request) private view {
        if (request.input.length == 0) revert InputEmpty();
        if (request.input.length > MAX_INPUT) revert InputTooLarge(request.input.length, MAX_INPUT);
        if (request.mode > 1) revert UnknownMode(request.mode);
        if (request.callbackGas > MAX_CALLBACK_GAS) {
            revert CallbackGasTooHigh(request.callbackGas, MAX_CALLBACK_GAS);
        }
        if (request.attempts == 0 || request.attempts > MAX_ATTEMPTS) {
            revert WrongAttempts(request.attempts, MAX_ATTEMPTS);
        }
        uint256 earliest = block.timestamp + uint256(minimumWindow) * request.attempts;
        if (request.deadline < earliest) revert DeadlineTooNear(request.deadline, earliest);
        uint256 latest = block.timestamp + maximumWindow;
        if (request.deadline > latest) revert DeadlineTooFar(request.deadline, latest);

        RequestRules.check(request.params);
    }

    /// @dev Fills in the version and what it costs, and takes the units.
    function _price(
        TaskHeader memory header,
        Market memory market,
        InferenceRequest calldata request,
        uint256 operators
    ) private {
        IModelRegistry.Terms memory terms = models.termsOf(request.modelId, header.epoch);
        if (request.committeeSize > MAX_COMMITTEE) revert CommitteeTooLarge(request.committeeSize, MAX_COMMITTEE);
        uint256 size = request.committeeSize == 0 ? operators : request.committeeSize;
        if (size < terms.minCommittee) revert CommitteeTooSmall(size, terms.minCommittee);
        uint256 price = _modelPrice(terms, request.params.maxTokens);
        uint256 units = computeUnits(request.params.maxTokens, request.input.length);
        uint256 base = _takeUnits(market, units, msg.sender) * units;
        uint256 fee = price + base + request.tip;
        if (fee > type(uint128).max) revert FeeTooHigh(fee);
        header.modelId = terms.modelId;
        header.fee = uint128(fee);
        header.baseFee = uint128(base);
        header.royalty = uint128((price * terms.royaltyBps) / 10_000);
    }

    function _modelPrice(IModelRegistry.Terms memory terms, uint256 maxTokens) private pure returns (uint256) {
        return uint256(terms.pricePerTask) + uint256(terms.pricePerToken) * maxTokens;
    }

    function _epochManager() internal view override returns (IEpochManager) {
        return epochs;
    }
}
