// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Where contracts and people ask for inference
interface ITaskGateway {
    struct InferenceParams {
        uint32 maxTokens; // 1 to 4096
        uint32 temperatureMilli; // 0: greedy
        uint32 topK; // 0: off
        uint32 topPMicro; // 0: off; at most 1,000,000
        uint32 minPMicro; // 0: off; at most 1,000,000
        uint32 repetitionPenaltyMilli; // 0: off; otherwise 1,000 to 10,000
        uint64 seed;
        string[] stop; // at most 8, of at most 64 bytes
        string[] choices; // at most 64, of at most 256 bytes; where given, the output is one of them
        string jsonSchema; // at most 4,096 bytes; where given, the output is a JSON value of this schema. Not with choices
    }

    struct InferenceRequest {
        bytes32 modelId;
        bytes input; // 1 to 16,384 bytes
        InferenceParams params;
        uint8 mode; // 0: every member generates. 1: one generates, the others check
        uint16 committeeSize; // 0: the whole operator set. Otherwise that many drawn seats, at most 256
        uint64 deadline; // unix seconds
        uint8 attempts; // 1 to 4 equal parts of the time to the deadline, each with a committee of its own
        uint128 tip; // wei, for the signers
        address callback; // 0: none
        uint32 callbackGas; // exactly what the callback gets
    }

    /// @notice All that is fixed about a task. Only its hash is stored; whoever acts on a task passes it in.
    struct TaskHeader {
        uint256 id;
        address requester;
        bytes32 modelId;
        bytes32 requestHash; // keccak256(abi.encode(input, params))
        uint8 mode;
        uint16 committeeSize;
        uint64 epoch;
        uint8 attempts;
        bytes32 taskSeed;
        uint64 requestedAt;
        uint64 deadline;
        uint128 fee; // all of it: what the signers do not get of it is in the next two
        uint128 baseFee; // for the pool that pays the beacon
        uint128 royalty; // for the model's maker
        address callback;
        uint32 callbackGas;
    }

    struct Result {
        uint8 status; // 1: completed. 2: rejected
        bytes32 outputHash; // keccak-256
        uint32 outputLength;
        uint32 tokenCount;
        uint8 finishReason;
        bytes32 traceRoot;
        bytes32 traceCommit;
        bytes32 runtimeProfile;
    }

    struct Certificate {
        uint16 attempt;
        uint32 round;
        Result result;
        uint256 bitmap;
        bytes hints;
        bytes signature;
    }

    /// @notice Precommits for the certified value that the certificate left out.
    struct Supplement {
        uint32 round;
        bytes32 value; // the value id
        uint256 bitmap; // of those who are added
        bytes hints;
        bytes signature; // the sum of theirs
    }

    event TaskRequested(
        uint256 indexed id,
        address indexed requester,
        bytes32 indexed modelId,
        TaskHeader header,
        bytes input,
        InferenceParams params
    );
    event TaskCertified(
        uint256 indexed id,
        bytes32 indexed modelId,
        address indexed poster,
        uint64 epoch,
        uint16 attempt,
        uint32 round,
        bytes32 valueId,
        uint256 bitmap,
        uint256 signedWeight,
        uint256 totalWeight,
        Result result,
        bytes output
    );
    /// `bitmap` is of all who signed, with those who were added.
    event TaskSupplemented(
        uint256 indexed id, uint64 indexed epoch, uint256 bitmap, uint256 signedWeight, uint256 totalWeight
    );
    event TaskRefunded(uint256 indexed id, address indexed requester, uint256 amount);
    event CallbackFailed(uint256 indexed id, address callback);
    event CallbackRetried(uint256 indexed id, address callback);
    event RewardsClaimed(address indexed operator, uint64 indexed epoch, uint256 tasks, uint256 amount);
    event TaskSettled(uint256 indexed id, address indexed maker, uint256 royalty, uint256 baseFee);
    event BeaconRewardClaimed(uint64 indexed epoch, address indexed operator, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);

    function requestInference(InferenceRequest calldata request) external payable returns (uint256 id);
    function submitCertificate(TaskHeader calldata header, Certificate calldata certificate, bytes calldata output)
        external;
    function supplement(TaskHeader calldata header, Supplement calldata late) external;
    function refund(TaskHeader calldata header) external;
    function retryCallback(TaskHeader calldata header, bytes calldata output) external;
    function claim(uint16 index, TaskHeader[] calldata headers) external;
    function settle(TaskHeader[] calldata headers) external;
    function claimBeaconReward(uint64 epoch) external;
    function withdraw() external;

    /// @notice What a task costs in this block, in wei, without a tip. Send more where requests are many: the base fee
    /// rises by up to an eighth from one block to the next, and what is too much is credited back.
    /// @param model A version's id, or a family's, which stands for its newest active version.
    function quote(bytes32 model, uint32 maxTokens, uint256 inputLength) external view returns (uint256);

    /// @notice The same, and whether this block takes the request from `requester`: stake gives priority.
    function quoteFor(address requester, bytes32 model, uint32 maxTokens, uint256 inputLength)
        external
        view
        returns (uint256 fee, bool fits);
    function balanceOf(address account) external view returns (uint256);

    /// @return status 0 none, 1 requested, 2 certified, 3 expired, 4 refunded
    /// @return value The output, left-aligned, if it has at most 32 bytes; otherwise its hash
    /// @return finalizedAt Block timestamp of the certificate
    /// @return signedBps Share of the committee's weight that signed, in hundredths of a percent
    function resultOf(uint256 id)
        external
        view
        returns (uint8 status, bytes32 value, uint64 finalizedAt, uint16 signedBps);
    function verifyResult(uint256 id, bytes calldata output) external view returns (bool);
    function committeeRoot(TaskHeader calldata header, uint16 attempt) external view returns (bytes32);

    /// @notice Who signed a task's certificate: operators of the set, or seats. 0 until it is certified.
    function signersOf(uint256 id) external view returns (uint256 bitmap);

    /// @notice The attempt whose committee certified a task. 0 until it is certified.
    function attemptOf(uint256 id) external view returns (uint8);

    /// @notice Seconds after a certificate in which precommits can be added to it.
    function supplementWindow() external view returns (uint40);

    /// @notice Until when (unix seconds) a task can be certified, and from when on refunded: its deadline, and what
    /// pauses added to it.
    function deadlineOf(uint256 id) external view returns (uint256);

    /// @notice Whether requests were paused at some time between the request of a certified task and its certificate.
    function wasPaused(uint256 id) external view returns (bool);

    /// @notice Reverts unless `header` is the header of the task whose id it has.
    function requireHeader(TaskHeader calldata header) external view;
}
