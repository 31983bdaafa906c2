// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IInferenceConsumer} from "p2pavs/contracts/src/interfaces/IInferenceConsumer.sol";

/// @title A consumer that does whatever a test wants
contract Puppet is IInferenceConsumer {
    error OutOfOrder();
    error PokeFailed(bytes data);

    enum Mood {
        Accept,
        Revert,
        Bomb,
        Guzzle,
        Attack
    }

    Mood public mood;
    uint256 public value; // sent along with each call of an attack
    uint256 public lastId;
    uint8 public lastStatus;
    bytes public lastOutput;
    uint256 public gasSeen;
    uint256 public calls;

    address private _target;
    bytes[] private _plan;
    bool[] public outcomes;

    function setMood(Mood mood_) external {
        mood = mood_;
    }

    function setValue(uint256 value_) external {
        value = value_;
    }

    /// @notice Calls to make when an attack gets the chance.
    function plan(address target, bytes[] calldata calls_) external {
        _target = target;
        delete _plan;
        for (uint256 i = 0; i < calls_.length; ++i) {
            _plan.push(calls_[i]);
        }
    }

    function poke(address target, bytes calldata data) external payable returns (bytes memory) {
        (bool ok, bytes memory answer) = target.call{value: msg.value}(data);
        if (!ok) revert PokeFailed(answer);
        return answer;
    }

    function outcomeCount() external view returns (uint256) {
        return outcomes.length;
    }

    function onInference(uint256 id, uint8 status, bytes calldata output) external {
        uint256 gas = gasleft();
        if (mood == Mood.Revert) revert OutOfOrder();
        if (mood == Mood.Bomb) {
            assembly {
                revert(0, 200000)
            }
        }
        if (mood == Mood.Guzzle) {
            while (true) {}
        }
        (gasSeen, lastId, lastStatus, lastOutput) = (gas, id, status, output);
        ++calls;
        if (mood == Mood.Attack) _attack();
    }

    receive() external payable {
        if (mood == Mood.Revert) revert OutOfOrder();
        if (mood == Mood.Attack) _attack();
    }

    function _attack() private {
        for (uint256 i = 0; i < _plan.length; ++i) {
            (bool ok,) = _target.call{value: value}(_plan[i]);
            outcomes.push(ok);
        }
    }
}
