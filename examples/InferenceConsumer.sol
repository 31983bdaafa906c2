// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IInferenceConsumer} from "p2pavs/contracts/src/interfaces/IInferenceConsumer.sol";
import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title What every contract that asks a model has to do, once
/// @notice It asks, takes answers only from the gateway and only for its own tasks, and gives people back what the
/// gateway gives back: what was paid too much, and the fees of tasks that got no answer.
abstract contract InferenceConsumer is IInferenceConsumer {
    error NotTheGateway(address sender);
    error NotMyTask(uint256 task);
    error NotRefunded(uint256 task);
    error NothingToWithdraw(address account);
    error PaymentRefused(address account, uint256 amount);

    event Asked(uint256 indexed task, address indexed payer, uint256 fee);
    event Rejected(uint256 indexed task);

    struct Payment {
        address payer;
        uint256 fee;
    }

    ITaskGateway public immutable gateway;
    bytes32 public immutable modelId;
    /// Seconds that the network has for an answer.
    uint64 public immutable patience;

    /// Who paid for a task, until the fee has come back.
    mapping(uint256 task => Payment) public paymentOf;
    /// What people can withdraw.
    mapping(address account => uint256) public creditOf;

    constructor(ITaskGateway gateway_, bytes32 modelId_, uint64 patience_) {
        (gateway, modelId, patience) = (gateway_, modelId_, patience_);
    }

    /// @dev The gateway pays here when `withdraw` asks it to; nobody else has a reason to.
    receive() external payable {
        if (msg.sender != address(gateway)) revert NotTheGateway(msg.sender);
    }

    /// @notice What a question costs in this block. Send some more where many ask; the rest can be withdrawn.
    function price(string calldata text) external view returns (uint256) {
        return gateway.quote(modelId, _params().maxTokens, _input(text).length);
    }

    /// @inheritdoc IInferenceConsumer
    function onInference(uint256 task, uint8 status, bytes calldata output) external {
        if (msg.sender != address(gateway)) revert NotTheGateway(msg.sender);
        if (paymentOf[task].payer == address(0)) revert NotMyTask(task);
        if (status == 1) {
            _answered(task, output);
        } else {
            emit Rejected(task);
            _rejected(task);
        }
    }

    /// @notice Credits the fee of a task that the gateway refunded to who paid it. Anyone may call, after the gateway's
    /// `refund`.
    function creditRefund(uint256 task) external {
        Payment memory payment = paymentOf[task];
        if (payment.payer == address(0)) revert NotMyTask(task);
        (uint8 status,,,) = gateway.resultOf(task);
        if (status != 4) revert NotRefunded(task);
        delete paymentOf[task];
        creditOf[payment.payer] += payment.fee;
    }

    /// @notice Pays out all that is credited to the sender.
    function withdraw() external {
        uint256 amount = creditOf[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        creditOf[msg.sender] = 0;
        // What is credited here lies here, or is credited to this contract at the gateway.
        if (address(this).balance < amount) gateway.withdraw();
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert PaymentRefused(msg.sender, amount);
    }

    /// @notice Whether a task has no answer yet and may still get one, or its callback failed and can be retried.
    function isOpen(uint256 task) public view returns (bool) {
        (uint8 status,,,) = gateway.resultOf(task);
        return status == 1 || status == 2;
    }

    /// @dev Posts a task with the payment of this call.
    function _ask(string memory text) internal returns (uint256 task) {
        bytes memory input = _input(text);
        ITaskGateway.InferenceParams memory params = _params();
        uint256 fee = gateway.quote(modelId, params.maxTokens, input.length);
        uint32 gas_ = _callbackGas();
        task = gateway.requestInference{value: msg.value}(
            ITaskGateway.InferenceRequest({
                modelId: modelId,
                input: input,
                params: params,
                mode: 0,
                committeeSize: 0,
                deadline: uint64(block.timestamp) + patience,
                attempts: 1,
                tip: 0,
                callback: gas_ == 0 ? address(0) : address(this),
                callbackGas: gas_
            })
        );
        paymentOf[task] = Payment(msg.sender, fee);
        if (msg.value > fee) creditOf[msg.sender] += msg.value - fee;
        emit Asked(task, msg.sender, fee);
    }

    /// @dev What the model reads.
    function _input(string memory text) internal pure virtual returns (bytes memory);

    /// @dev How the model is asked. What is left at 0 or empty is off.
    function _params() internal pure virtual returns (ITaskGateway.InferenceParams memory);

    /// @dev What the callback may use. 0: none is wanted; read `gateway.resultOf`.
    function _callbackGas() internal pure virtual returns (uint32) {
        return 200_000;
    }

    /// @dev The certified answer to one of this contract's tasks.
    function _answered(uint256 task, bytes calldata output) internal virtual;

    /// @dev The committee certified that the model cannot take this input.
    function _rejected(uint256 task) internal virtual {}
}
