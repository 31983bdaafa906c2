// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Words} from "./libraries/Words.sol";

/// @title Models
/// @notice Anyone may register one; operators choose which they run. A registered model never changes: its id is a
/// hash of all that decides its answers, and its price is fixed, so a quote stays good. The maker may only
/// switch it off and on.
contract ModelRegistry is IModelRegistry {
    error NotTheMaker(address sender, address maker);
    error AlreadyRegistered(bytes32 modelId);
    error UnknownModel(bytes32 modelId);
    error WrongNameLength(uint256 length, uint256 maximum);
    error EmptyField(string field);
    error UnknownIndex(uint256 index, uint256 count);

    error WrongManifest(bytes32 given, bytes32 registered);

    uint256 private constant MAX_NAME = 64;

    bytes32[] private _ids;
    mapping(bytes32 modelId => Model) private _models;

    /// @notice Registers a model that the sender made. Its id binds all that decides its answers, and the maker.
    function register(Model calldata model) external returns (bytes32 modelId) {
        if (model.maker != msg.sender) revert NotTheMaker(msg.sender, model.maker);
        uint256 length = bytes(model.name).length;
        if (length == 0 || length > MAX_NAME) revert WrongNameLength(length, MAX_NAME);
        if (model.modelHash == 0) revert EmptyField("modelHash");
        if (model.runtimeProfile == 0) revert EmptyField("runtimeProfile");
        modelId = Words.words(
            Words.MODEL,
            uint256(model.modelHash),
            uint256(model.manifestHash),
            uint256(model.runtimeProfile),
            uint256(model.goldenDigest),
            uint256(uint160(model.maker))
        );
        if (_models[modelId].maker != address(0)) revert AlreadyRegistered(modelId);
        _models[modelId] = model;
        _ids.push(modelId);
        emit ModelRegistered(
            modelId,
            model.maker,
            model.name,
            model.modelHash,
            model.manifestHash,
            model.runtimeProfile,
            model.goldenDigest,
            model.pricePerTask,
            model.pricePerToken
        );
        emit ModelActivity(modelId, model.active);
    }

    /// @notice Lets the maker stop new requests, or allow them again. Tasks that exist go on.
    function setActive(bytes32 modelId, bool active) external {
        Model storage model = _known(modelId);
        if (model.maker != msg.sender) revert NotTheMaker(msg.sender, model.maker);
        model.active = active;
        emit ModelActivity(modelId, active);
    }

    /// @notice Puts the manifest of a model into an event, for whoever wants to serve it. Anyone may: only the bytes
    /// that were registered are taken.
    function publishManifest(bytes32 modelId, bytes calldata manifest) external {
        bytes32 registered = _known(modelId).manifestHash;
        bytes32 given = sha256(manifest);
        if (given != registered) revert WrongManifest(given, registered);
        emit ManifestPublished(modelId, manifest);
    }

    /// @inheritdoc IModelRegistry
    function modelOf(bytes32 modelId) external view returns (Model memory) {
        return _known(modelId);
    }

    /// @inheritdoc IModelRegistry
    function count() external view returns (uint256) {
        return _ids.length;
    }

    /// @inheritdoc IModelRegistry
    function idAt(uint256 index) external view returns (bytes32) {
        if (index >= _ids.length) revert UnknownIndex(index, _ids.length);
        return _ids[index];
    }

    /// @inheritdoc IModelRegistry
    function termsOf(bytes32 modelId)
        external
        view
        returns (bool active, uint16 minCommittee, uint128 pricePerTask, uint128 pricePerToken)
    {
        Model storage model = _known(modelId);
        return (model.active, model.minCommittee, model.pricePerTask, model.pricePerToken);
    }

    /// @inheritdoc IModelRegistry
    function runtimeProfileOf(bytes32 modelId) external view returns (bytes32 profile) {
        profile = _models[modelId].runtimeProfile; // never 0 for a registered model
        if (profile == 0) revert UnknownModel(modelId);
    }

    function _known(bytes32 modelId) private view returns (Model storage model) {
        model = _models[modelId];
        if (model.maker == address(0)) revert UnknownModel(modelId);
    }
}
