// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskGateway} from "../interfaces/ITaskGateway.sol";
import {ITaskGatewayErrors} from "../interfaces/ITaskGatewayErrors.sol";

/// @title What a request may ask of a model, before it is paid
/// @dev The nodes hold the same limits (inference/request.py).
library RequestRules {
    uint256 internal constant MAX_TOKENS = 4_096;
    uint256 internal constant MAX_STOPS = 8;
    uint256 internal constant MAX_STOP_LENGTH = 64;
    uint256 internal constant MAX_CHOICES = 64;
    uint256 internal constant MAX_CHOICE_LENGTH = 256;
    uint256 internal constant MAX_SCHEMA_LENGTH = 4_096;
    uint256 internal constant ONE_MICRO = 1_000_000;
    uint256 internal constant MIN_PENALTY = 1_000;
    uint256 internal constant MAX_PENALTY = 10_000;

    /// @notice Reverts with a named error on the first field out of range.
    function check(ITaskGateway.InferenceParams calldata params) internal pure {
        if (params.maxTokens == 0 || params.maxTokens > MAX_TOKENS) {
            revert ITaskGatewayErrors.WrongMaxTokens(params.maxTokens, MAX_TOKENS);
        }
        _checkShare(params.topPMicro);
        _checkShare(params.minPMicro);
        uint256 penalty = params.repetitionPenaltyMilli;
        if (penalty != 0 && (penalty < MIN_PENALTY || penalty > MAX_PENALTY)) {
            revert ITaskGatewayErrors.WrongRepetitionPenalty(penalty, MIN_PENALTY, MAX_PENALTY);
        }
        if (params.stop.length > MAX_STOPS) revert ITaskGatewayErrors.TooManyStops(params.stop.length, MAX_STOPS);
        for (uint256 i = 0; i < params.stop.length; ++i) {
            uint256 length = bytes(params.stop[i]).length;
            if (length == 0 || length > MAX_STOP_LENGTH) {
                revert ITaskGatewayErrors.WrongStopLength(i, length, MAX_STOP_LENGTH);
            }
        }
        if (params.choices.length > MAX_CHOICES) {
            revert ITaskGatewayErrors.TooManyChoices(params.choices.length, MAX_CHOICES);
        }
        for (uint256 i = 0; i < params.choices.length; ++i) {
            uint256 length = bytes(params.choices[i]).length;
            if (length == 0 || length > MAX_CHOICE_LENGTH) {
                revert ITaskGatewayErrors.WrongChoiceLength(i, length, MAX_CHOICE_LENGTH);
            }
        }
        uint256 schema = bytes(params.jsonSchema).length;
        if (schema > MAX_SCHEMA_LENGTH) revert ITaskGatewayErrors.SchemaTooLarge(schema, MAX_SCHEMA_LENGTH);
        if (schema != 0 && params.choices.length != 0) revert ITaskGatewayErrors.ChoicesAndSchema();
    }

    function _checkShare(uint256 micro) private pure {
        if (micro > ONE_MICRO) revert ITaskGatewayErrors.WrongShare(micro, ONE_MICRO);
    }
}
