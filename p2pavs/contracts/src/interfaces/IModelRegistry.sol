// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Which models can be asked, and for how much
interface IModelRegistry {
    struct Model {
        bytes32 modelHash; // SHA-256 of the GGUF file
        bytes32 manifestHash; // SHA-256 of the manifest's canonical JSON
        bytes32 runtimeProfile; // the bit-exact runtime this model was measured in
        bytes32 goldenDigest; // what that runtime must produce on the test prompts
        uint128 pricePerTask; // wei
        uint128 pricePerToken; // wei for each token that may be generated
        uint16 minCommittee; // seats, or operators where the whole set answers
        address maker;
        bool active;
        string name;
    }

    event ModelRegistered(
        bytes32 indexed modelId,
        address indexed maker,
        string name,
        bytes32 modelHash,
        bytes32 manifestHash,
        bytes32 runtimeProfile,
        bytes32 goldenDigest,
        uint128 pricePerTask,
        uint128 pricePerToken
    );
    event ModelActivity(bytes32 indexed modelId, bool active);
    event ManifestPublished(bytes32 indexed modelId, bytes manifest);

    function register(Model calldata model) external returns (bytes32 modelId);
    function setActive(bytes32 modelId, bool active) external;
    function publishManifest(bytes32 modelId, bytes calldata manifest) external;
    function modelOf(bytes32 modelId) external view returns (Model memory);
    function count() external view returns (uint256);
    function idAt(uint256 index) external view returns (bytes32);

    /// @notice What a request needs to know; reverts on an unknown model.
    function termsOf(bytes32 modelId)
        external
        view
        returns (bool active, uint16 minCommittee, uint128 pricePerTask, uint128 pricePerToken);

    /// @notice What a certificate needs to know; reverts on an unknown model.
    function runtimeProfileOf(bytes32 modelId) external view returns (bytes32);
}
