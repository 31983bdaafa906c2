// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IInferenceConsumer} from "p2pavs/contracts/src/interfaces/IInferenceConsumer.sol";
import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title A DAO that has its proposals sorted by a model
/// @notice Shows all that a consumer has to do: ask, keep the id, take the answer only from the gateway and only for
/// its own ids, act on it, and give people back what the gateway gives back. Here the label decides how long a proposal
/// stays open for votes.
contract ProposalClassifier is IInferenceConsumer {
    error NotTheGateway(address sender);
    error NotMyTask(uint256 id);
    error AlreadyClassified(uint256 proposal, string label);
    error ClassificationPending(uint256 proposal, uint256 task);
    error UnknownProposal(uint256 proposal);
    error UnknownLabel(string label);
    error NotRefunded(uint256 task);
    error NothingToWithdraw(address account);
    error PaymentRefused(address account, uint256 amount);

    event ProposalSubmitted(uint256 indexed proposal, address indexed proposer, uint256 indexed task);
    event ProposalClassified(uint256 indexed proposal, uint256 indexed task, string label, uint64 votesUntil);
    event ClassificationRejected(uint256 indexed proposal, uint256 indexed task);

    struct Proposal {
        address proposer;
        uint64 votesUntil; // 0 until it is classified
        uint256 task; // the last one asked
        bytes32 textHash;
        string label;
    }

    struct Payment {
        address payer;
        uint256 fee;
    }

    string private constant INSTRUCTION =
        "Sort this DAO proposal into one of these kinds: treasury, parameter, membership, other.\n\nProposal: ";
    uint32 private constant MAX_TOKENS = 16;
    uint32 private constant CALLBACK_GAS = 200_000;
    uint8 private constant REFUNDED = 4; // of the gateway's `resultOf`

    ITaskGateway public immutable gateway;
    bytes32 public immutable modelId;
    /// Seconds that the network has for an answer.
    uint64 public immutable patience;

    uint256 public proposalCount;
    mapping(uint256 proposal => Proposal) private _proposals;
    mapping(uint256 task => uint256 proposal) public proposalOf;
    /// How long votes stay open, by label; 0 for words that are not labels.
    mapping(string label => uint64) public votingPeriod;
    /// Who paid for a task, until the fee has come back.
    mapping(uint256 task => Payment) public paymentOf;
    /// What people can withdraw: what they paid too much, and fees that came back.
    mapping(address account => uint256) public creditOf;

    constructor(ITaskGateway gateway_, bytes32 modelId_, uint64 patience_) {
        (gateway, modelId, patience) = (gateway_, modelId_, patience_);
        votingPeriod["treasury"] = 7 days;
        votingPeriod["parameter"] = 5 days;
        votingPeriod["membership"] = 3 days;
        votingPeriod["other"] = 3 days;
    }

    /// @dev The gateway pays here when `withdraw` asks it to; nobody else has a reason to.
    receive() external payable {
        if (msg.sender != address(gateway)) revert NotTheGateway(msg.sender);
    }

    /// @notice Submits a proposal and asks the network what kind it is. Send at least `price(text)`; what is more can be
    /// withdrawn.
    function submit(string calldata text) external payable returns (uint256 proposal, uint256 task) {
        proposal = ++proposalCount;
        _proposals[proposal].proposer = msg.sender;
        _proposals[proposal].textHash = keccak256(bytes(text));
        task = _ask(proposal, text);
        emit ProposalSubmitted(proposal, msg.sender, task);
    }

    /// @notice Asks again for a proposal whose task expired or was rejected.
    function askAgain(uint256 proposal, string calldata text) external payable returns (uint256 task) {
        Proposal storage p = _proposals[proposal];
        if (p.proposer == address(0) || p.textHash != keccak256(bytes(text))) revert UnknownProposal(proposal);
        if (p.votesUntil != 0) revert AlreadyClassified(proposal, p.label);
        if (p.task != 0) {
            (uint8 status,,,) = gateway.resultOf(p.task);
            if (status == 1 || status == 2) revert ClassificationPending(proposal, p.task);
        }
        task = _ask(proposal, text);
    }

    /// @inheritdoc IInferenceConsumer
    function onInference(uint256 id, uint8 status, bytes calldata output) external {
        if (msg.sender != address(gateway)) revert NotTheGateway(msg.sender);
        uint256 proposal = proposalOf[id];
        if (proposal == 0) revert NotMyTask(id);
        Proposal storage p = _proposals[proposal];
        if (p.votesUntil != 0) revert AlreadyClassified(proposal, p.label);
        if (status != 1) {
            p.task = 0;
            emit ClassificationRejected(proposal, id);
            return;
        }
        string memory label = string(output);
        uint64 period = votingPeriod[label];
        if (period == 0) revert UnknownLabel(label);
        p.label = label;
        p.votesUntil = uint64(block.timestamp) + period;
        emit ProposalClassified(proposal, id, label, p.votesUntil);
    }

    /// @notice Credits the fee of a task that the gateway refunded to who paid it. Anyone may call, after the gateway's
    /// `refund`.
    function creditRefund(uint256 task) external {
        Payment memory payment = paymentOf[task];
        if (payment.payer == address(0)) revert NotMyTask(task);
        (uint8 status,,,) = gateway.resultOf(task);
        if (status != REFUNDED) revert NotRefunded(task);
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

    function price(string calldata text) public view returns (uint256) {
        return gateway.quote(modelId, MAX_TOKENS, bytes(INSTRUCTION).length + bytes(text).length);
    }

    function proposalAt(uint256 proposal) external view returns (Proposal memory) {
        return _proposals[proposal];
    }

    function _ask(uint256 proposal, string calldata text) private returns (uint256 task) {
        string[] memory choices = new string[](4);
        (choices[0], choices[1], choices[2], choices[3]) = ("treasury", "parameter", "membership", "other");
        uint256 fee = price(text);
        task = gateway.requestInference{value: msg.value}(
            ITaskGateway.InferenceRequest({
                modelId: modelId,
                input: abi.encodePacked(INSTRUCTION, text),
                params: ITaskGateway.InferenceParams({
                    maxTokens: MAX_TOKENS,
                    temperatureMilli: 0,
                    topK: 0,
                    topPMicro: 0,
                    minPMicro: 0,
                    repetitionPenaltyMilli: 0,
                    seed: 0,
                    stop: new string[](0),
                    choices: choices,
                    jsonSchema: ""
                }),
                mode: 0,
                committeeSize: 0,
                deadline: uint64(block.timestamp) + patience,
                attempts: 1,
                tip: 0,
                callback: address(this),
                callbackGas: CALLBACK_GAS
            })
        );
        _proposals[proposal].task = task;
        proposalOf[task] = proposal;
        paymentOf[task] = Payment(msg.sender, fee);
        if (msg.value > fee) creditOf[msg.sender] += msg.value - fee;
    }
}
