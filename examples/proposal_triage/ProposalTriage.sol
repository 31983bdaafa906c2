// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {InferenceConsumer} from "examples/InferenceConsumer.sol";
import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title A DAO whose proposals are sorted by a model: the label decides how long a vote stays open
contract ProposalTriage is InferenceConsumer {
    error UnknownProposal(uint256 proposal);
    error AlreadyAsked(uint256 proposal, uint256 task);

    event Triaged(uint256 indexed proposal, uint256 indexed task, string label, uint64 votesUntil);

    struct Proposal {
        bytes32 textHash;
        uint256 task; // the last one asked; 0 after a rejection
        uint64 votesUntil; // 0: not sorted yet, or no vote
        string label;
    }

    uint256 public proposalCount;
    mapping(uint256 proposal => Proposal) public proposals;
    mapping(uint256 task => uint256 proposal) public proposalOf;
    /// How long votes stay open, by label. What is not here, "spam" for one, is not voted on.
    mapping(string label => uint64) public votingPeriod;

    constructor(ITaskGateway gateway_, bytes32 model, uint64 patience_) InferenceConsumer(gateway_, model, patience_) {
        (votingPeriod["treasury"], votingPeriod["upgrade"], votingPeriod["parameter"]) = (7 days, 7 days, 5 days);
        (votingPeriod["membership"], votingPeriod["other"]) = (3 days, 3 days);
    }

    function submit(string calldata text) external payable returns (uint256 proposal) {
        proposals[proposal = ++proposalCount].textHash = keccak256(bytes(text));
        askAgain(proposal, text);
    }

    /// @notice Asks (again) for a proposal whose task expired or was rejected.
    function askAgain(uint256 proposal, string calldata text) public payable {
        Proposal storage p = proposals[proposal];
        if (p.textHash == 0 || p.textHash != keccak256(bytes(text))) revert UnknownProposal(proposal);
        if (p.task != 0 && isOpen(p.task)) revert AlreadyAsked(proposal, p.task);
        proposalOf[p.task = _ask(text)] = proposal;
    }

    function _input(string memory text) internal pure override returns (bytes memory) {
        return abi.encodePacked("Classify this proposal: ", text);
    }

    function _params() internal pure override returns (ITaskGateway.InferenceParams memory params) {
        (params.maxTokens, params.choices) = (16, new string[](6));
        (params.choices[0], params.choices[1], params.choices[2]) = ("treasury", "parameter", "upgrade");
        (params.choices[3], params.choices[4], params.choices[5]) = ("membership", "spam", "other");
    }

    function _answered(uint256 task, bytes calldata output) internal override {
        Proposal storage p = proposals[proposalOf[task]];
        uint64 period = votingPeriod[p.label = string(output)];
        if (period != 0) p.votesUntil = uint64(block.timestamp) + period;
        emit Triaged(proposalOf[task], task, p.label, p.votesUntil);
    }

    function _rejected(uint256 task) internal override {
        proposals[proposalOf[task]].task = 0;
    }
}
