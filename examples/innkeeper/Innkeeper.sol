// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {InferenceConsumer} from "examples/InferenceConsumer.sol";
import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";

/// @title A game character with a mood: its words come from the game's writers, the choice from a model
/// @notice The choice is drawn with a temperature. The task's seed fixes the draw, so all operators draw the same, and
/// nobody can ask again for the same draw.
contract Innkeeper is InferenceConsumer {
    event Spoke(address indexed player, uint256 indexed task, string words);

    enum Mood {
        Unknown,
        Friendly,
        Wary,
        Angry
    }

    mapping(uint256 task => address player) public playerOf;
    mapping(address player => Mood) public moodOf;

    constructor(ITaskGateway gateway_, bytes32 model, uint64 patience_) InferenceConsumer(gateway_, model, patience_) {}

    /// @notice Says something to the innkeeper.
    function talk(string calldata words) external payable {
        playerOf[_ask(words)] = msg.sender;
    }

    /// @notice What a room costs a player, in coins of the game; 0: none is let to this one.
    function roomPrice(address player) external view returns (uint256) {
        if (moodOf[player] == Mood.Angry) return 0;
        return moodOf[player] == Mood.Friendly ? 5 : 10;
    }

    /// @dev Two lines for each mood, in the order of `Mood`.
    function _lines() private pure returns (string[] memory lines) {
        lines = new string[](6);
        (lines[0], lines[1]) = ("A room? Of course, friend.", "Sit down, the soup is hot.");
        (lines[2], lines[3]) = ("Coins first, then we talk.", "I have seen you before.");
        (lines[4], lines[5]) = ("Get out of my inn!", "No room for the likes of you.");
    }

    function _input(string memory words) internal pure override returns (bytes memory) {
        return abi.encodePacked("You are the keeper of an inn. A guest says: ", words);
    }

    function _params() internal pure override returns (ITaskGateway.InferenceParams memory params) {
        (params.maxTokens, params.temperatureMilli, params.choices) = (40, 1_500, _lines());
    }

    function _answered(uint256 task, bytes calldata words) internal override {
        string[] memory lines = _lines();
        uint256 line;
        while (keccak256(bytes(lines[line])) != keccak256(words)) line++;
        moodOf[playerOf[task]] = Mood(1 + line / 2);
        emit Spoke(playerOf[task], task, string(words));
    }
}
