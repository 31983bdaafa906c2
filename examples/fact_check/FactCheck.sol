// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {InferenceConsumer} from "examples/InferenceConsumer.sol";
import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title A vote that opens only after what the proposer says of the proposal was checked
/// @notice The proposer gives a question about the text that "yes" answers. With "no" the vote never opens.
contract FactCheck is InferenceConsumer {
    error NotOpen(uint256 proposal);
    error AlreadyVoted(uint256 proposal, address voter);

    event Checked(uint256 indexed proposal, uint256 indexed task, bool holds);
    event Voted(uint256 indexed proposal, address indexed voter, bool support);

    enum State {
        None,
        Unchecked,
        Open,
        Refused
    }

    struct Proposal {
        State state;
        uint64 ayes;
        uint64 noes;
    }

    uint256 public proposalCount;
    mapping(uint256 proposal => Proposal) public proposals;
    mapping(uint256 task => uint256 proposal) public proposalOf;
    mapping(uint256 proposal => mapping(address voter => bool)) public hasVoted;

    constructor(ITaskGateway gateway_, bytes32 model, uint64 patience_) InferenceConsumer(gateway_, model, patience_) {}

    /// @param claim The question, a new line, and the text. A proposal without an answer is proposed anew.
    function propose(string calldata claim) external payable returns (uint256 proposal) {
        proposals[proposal = ++proposalCount].state = State.Unchecked;
        proposalOf[_ask(claim)] = proposal;
    }

    function vote(uint256 proposal, bool support) external {
        Proposal storage p = proposals[proposal];
        if (p.state != State.Open) revert NotOpen(proposal);
        if (hasVoted[proposal][msg.sender]) revert AlreadyVoted(proposal, msg.sender);
        hasVoted[proposal][msg.sender] = true;
        support ? p.ayes++ : p.noes++;
        emit Voted(proposal, msg.sender, support);
    }

    function _input(string memory claim) internal pure override returns (bytes memory) {
        return bytes(claim);
    }

    function _params() internal pure override returns (ITaskGateway.InferenceParams memory params) {
        (params.maxTokens, params.choices) = (4, new string[](2));
        (params.choices[0], params.choices[1]) = ("yes", "no");
    }

    function _answered(uint256 task, bytes calldata output) internal override {
        bool holds = keccak256(output) == keccak256("yes");
        proposals[proposalOf[task]].state = holds ? State.Open : State.Refused;
        emit Checked(proposalOf[task], task, holds);
    }
}
