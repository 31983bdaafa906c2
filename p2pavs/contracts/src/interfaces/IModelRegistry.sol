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
        uint16 royaltyBps; // the maker's part of the price, in hundredths of a percent
        uint40 activeFrom; // the first epoch whose tasks may name it; the registry moves it to the earliest allowed
        address maker;
        bool active;
        string name; // the maker's models of one name are a family of versions
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
    event ModelVersion(
        bytes32 indexed family, bytes32 indexed modelId, uint256 version, uint40 activeFrom, uint16 royaltyBps
    );
    event ModelActivity(bytes32 indexed modelId, bool active);
    event ManifestPublished(bytes32 indexed modelId, bytes manifest);

    function register(Model calldata model) external returns (bytes32 modelId);
    function setActive(bytes32 modelId, bool active) external;
    function publishManifest(bytes32 modelId, bytes calldata manifest) external;
    function modelOf(bytes32 modelId) external view returns (Model memory);
    function count() external view returns (uint256);
    function idAt(uint256 index) external view returns (bytes32);

    /// @notice What a request needs to know.
    struct Terms {
        bytes32 modelId; // the version
        uint16 minCommittee;
        uint16 royaltyBps;
        uint128 pricePerTask;
        uint128 pricePerToken;
    }

    /// @notice The terms for a task of `epoch`. Reverts where no such version may be asked for in it.
    /// @param id A version, or a family: then its newest version that may be asked for.
    function termsOf(bytes32 id, uint64 epoch) external view returns (Terms memory);

    /// @notice All versions of a family, oldest first.
    function versionsOf(bytes32 family) external view returns (bytes32[] memory);

    /// @notice What names all versions that a maker gave one name.
    function familyOf(address maker, string calldata name) external pure returns (bytes32);

    /// @notice Who made a model and earns its royalties; reverts on an unknown one.
    function makerOf(bytes32 modelId) external view returns (address);

    /// @notice What a certificate needs to know; reverts on an unknown model.
    function runtimeProfileOf(bytes32 modelId) external view returns (bytes32);
}
