// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {InferenceConsumer} from "examples/InferenceConsumer.sol";
import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title An interest rate from a risk score: the answer is JSON, and its shape is certain
contract LoanDesk is InferenceConsumer {
    event Scored(address indexed applicant, uint256 indexed task, uint256 score, uint256 rateBps);

    struct Offer {
        uint8 score; // 1 (safe) to 100
        uint16 rateBps; // a year, in hundredths of a percent; 0: no offer yet
    }

    /// All bytes of an answer but the digits are fixed by this: {"score":42}
    string private constant SCHEMA = '{"type":"object","properties":{"score":{"type":"integer","minimum":1,'
        '"maximum":100}},"required":["score"]}';
    uint256 private constant DIGITS_AT = 9; // bytes of {"score":

    mapping(uint256 task => address applicant) public applicantOf;
    mapping(address applicant => Offer) public offers;

    constructor(ITaskGateway gateway_, bytes32 model, uint64 patience_) InferenceConsumer(gateway_, model, patience_) {}

    /// @notice Asks for an offer. The last answer counts.
    function applyForLoan(string calldata application) external payable {
        applicantOf[_ask(application)] = msg.sender;
    }

    function _input(string memory application) internal pure override returns (bytes memory) {
        return abi.encodePacked("Risk score from 1 to 100: ", application);
    }

    function _params() internal pure override returns (ITaskGateway.InferenceParams memory params) {
        (params.maxTokens, params.jsonSchema) = (24, SCHEMA);
    }

    function _answered(uint256 task, bytes calldata json) internal override {
        uint256 score;
        for (uint256 i = DIGITS_AT; i + 1 < json.length; i++) score = 10 * score + (uint8(json[i]) - 48);
        // 3% a year, and 1% more for each 5 points.
        Offer memory offer = Offer(uint8(score), uint16(300 + 20 * score));
        offers[applicantOf[task]] = offer;
        emit Scored(applicantOf[task], task, score, offer.rateBps);
    }
}
