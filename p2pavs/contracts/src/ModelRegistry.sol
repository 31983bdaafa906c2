// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEpochManager} from "./interfaces/IEpochManager.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {Words} from "./libraries/Words.sol";

/// @title Models
/// @notice Anyone may register one; operators choose which they run. A registered model never changes: its id is a
/// hash of all that decides its answers, and its price is fixed. The maker may only switch it off and on. What a maker
/// registers under one name are the versions of a family; tasks may name the family, and are pinned to its newest
/// version. A version can be asked for some epochs after it is registered, so that operators can get ready.
contract ModelRegistry is IModelRegistry {
    error NotTheMaker(address sender, address maker);
    error AlreadyRegistered(bytes32 modelId);
    error UnknownModel(bytes32 modelId);
    error WrongNameLength(uint256 length, uint256 maximum);
    error EmptyField(string field);
    error RoyaltyTooHigh(uint16 royaltyBps, uint256 maximum);
    error ModelInactive(bytes32 modelId);
    error ModelNotActiveYet(bytes32 modelId, uint64 fromEpoch);
    error ZeroAddress();
    error UnknownIndex(uint256 index, uint256 count);

    error WrongManifest(bytes32 given, bytes32 registered);

    uint256 private constant MAX_NAME = 64;
    uint256 public constant MAX_ROYALTY_BPS = 5_000;

    IEpochManager public immutable epochs;
    /// Epochs from a version's registration to the first whose tasks may name it.
    uint40 public immutable activationEpochs;

    bytes32[] private _ids;
    mapping(bytes32 modelId => Model) private _models;
    mapping(bytes32 family => bytes32[]) private _versions;

    constructor(IEpochManager epochs_, uint40 activationEpochs_) {
        if (address(epochs_) == address(0)) revert ZeroAddress();
        (epochs, activationEpochs) = (epochs_, activationEpochs_);
    }

    /// @notice Registers a model that the sender made. Its id binds all that decides its answers, and the maker.
    function register(Model calldata model) external returns (bytes32 modelId) {
        if (model.maker != msg.sender) revert NotTheMaker(msg.sender, model.maker);
        uint256 length = bytes(model.name).length;
        if (length == 0 || length > MAX_NAME) revert WrongNameLength(length, MAX_NAME);
        if (model.royaltyBps > MAX_ROYALTY_BPS) revert RoyaltyTooHigh(model.royaltyBps, MAX_ROYALTY_BPS);
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
        uint40 earliest = uint40(epochs.currentEpoch()) + activationEpochs;
        uint40 activeFrom = model.activeFrom < earliest ? earliest : model.activeFrom;
        _models[modelId].activeFrom = activeFrom;
        _ids.push(modelId);
        bytes32 family = familyOf(model.maker, model.name);
        _versions[family].push(modelId);
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
        emit ModelVersion(family, modelId, _versions[family].length, activeFrom, model.royaltyBps);
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
    function termsOf(bytes32 id, uint64 epoch) external view returns (Terms memory) {
        bytes32[] storage versions = _versions[id];
        for (uint256 i = versions.length; i > 0; --i) {
            bytes32 modelId = versions[i - 1];
            Model storage version = _models[modelId];
            if (version.active && version.activeFrom <= epoch) return _terms(modelId, version);
        }
        if (versions.length != 0) revert ModelInactive(id);
        Model storage model = _known(id);
        if (!model.active) revert ModelInactive(id);
        if (model.activeFrom > epoch) revert ModelNotActiveYet(id, model.activeFrom);
        return _terms(id, model);
    }

    /// @inheritdoc IModelRegistry
    function versionsOf(bytes32 family) external view returns (bytes32[] memory) {
        return _versions[family];
    }

    /// @inheritdoc IModelRegistry
    function familyOf(address maker, string calldata name) public pure returns (bytes32) {
        return Words.words(Words.FAMILY, uint256(uint160(maker)), uint256(keccak256(bytes(name))));
    }

    /// @inheritdoc IModelRegistry
    function makerOf(bytes32 modelId) external view returns (address) {
        return _known(modelId).maker;
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

    function _terms(bytes32 modelId, Model storage model) private view returns (Terms memory) {
        return Terms(modelId, model.minCommittee, model.royaltyBps, model.pricePerTask, model.pricePerToken);
    }
}
