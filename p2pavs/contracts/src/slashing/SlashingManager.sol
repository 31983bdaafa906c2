// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IEvidenceVerifier} from "../interfaces/IEvidenceVerifier.sol";
import {IStakeSource} from "../interfaces/IStakeSource.sol";
import {Owned} from "../Owned.sol";

/// @title Slashing: what an offence costs, and how its proof becomes a loss of stake
/// @notice Anyone may report an offence with evidence that a verifier accepts. One that no honest operator can be
/// made to look guilty of costs its stake at once. Any other opens a case: until the veto window is over the
/// guardian can strike it out, and the operator can do what makes the evidence fail (add its late precommits
/// to the certificates it was left out of). Then anyone may execute it, with the evidence again.
/// @dev An offence is booked when it is reported, so it is punished once, or never after a veto. The reporter gets a
/// share of what was taken, always less than all of it: who reports itself loses. The rest is burnt, so that
/// nobody earns by having others slashed.
contract SlashingManager is Owned {
    error ZeroAddress();
    error UnknownVerifier(address verifier);
    error WrongClass(uint256 wad);
    error WrongBounty(uint256 bps, uint256 maximum);
    error UnbondingTooShort(uint256 needed, uint256 unbonding);
    error OffenceKnown(address verifier, address operator, uint256 firstTask);
    error UnknownCase(uint256 id);
    error CaseClosed(uint256 id);
    error StillContestable(uint256 id, uint256 until);
    error WindowOver(uint256 id, uint256 since);
    error OtherEvidence(uint256 id);
    error NotTheGuardian(address sender, address guardian);
    error NothingToWithdraw(address account);
    error PaymentRefused(address account, uint256 amount);

    event ClassSet(address indexed verifier, uint64 wad, bool vetoable, bool ejects, bool windowed);
    event GuardianSet(address indexed guardian);
    event CaseOpened(
        uint256 indexed id, address indexed operator, address indexed verifier, uint64 executableFrom, bytes evidence
    );
    event CaseVetoed(uint256 indexed id);
    event OperatorSlashed(
        address indexed operator,
        address indexed verifier,
        address indexed reporter,
        uint256 firstTask,
        uint256 wad,
        uint256 taken,
        uint256 bounty
    );

    /// What an offence costs.
    struct Class {
        uint64 wad; // of 1e18; 0: there is no such class
        bool vetoable; // waits out the veto window
        bool ejects; // the operator is no member afterwards
        bool windowed; // made of several tasks, each of which counts once
    }

    struct Penalty {
        IEvidenceVerifier verifier;
        Class class;
    }

    struct Case {
        address operator;
        uint64 executableFrom; // 0: there is no such case
        bool closed;
        address reporter;
        IEvidenceVerifier verifier;
        uint256 firstTask;
        bytes32 evidenceHash;
    }

    /// What stake must outlast, in seconds.
    struct Timing {
        uint64 taskWindow; // from a request to its last deadline, pauses included
        uint64 reportWindow; // from the offence to its report
        uint64 vetoWindow; // from the report to the loss
        uint64 epoch;
    }

    /// Who decides: the owner what offences cost, the guardian single cases.
    struct Authority {
        address owner;
        address guardian;
    }

    uint256 public constant MAX_BOUNTY_BPS = 5_000;
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;

    IStakeSource public immutable stakes;
    uint64 public immutable vetoWindow;
    uint256 public immutable bountyBps;

    address public guardian;
    uint256 public caseCount;
    mapping(IEvidenceVerifier verifier => Class) public classOf;
    mapping(uint256 id => Case) public caseOf;
    mapping(address account => uint256) public balanceOf;
    mapping(bytes32 offence => bool) private _booked;
    mapping(bytes32 offence => uint256) private _nextTask;

    constructor(
        IStakeSource stakes_,
        Authority memory authority,
        uint256 bountyBps_,
        Timing memory timing,
        Penalty[] memory penalties
    ) {
        if (address(stakes_) == address(0)) revert ZeroAddress();
        if (bountyBps_ > MAX_BOUNTY_BPS) revert WrongBounty(bountyBps_, MAX_BOUNTY_BPS);
        // Half of the delay is kept for blocks that come late, and for a chain that stood still.
        uint256 needed = uint256(timing.taskWindow) + timing.reportWindow + timing.vetoWindow + timing.epoch;
        uint64 unbonding = stakes_.unbondingDelay();
        if (needed >= unbonding / 2) revert UnbondingTooShort(needed, unbonding);
        (stakes, bountyBps, vetoWindow) = (stakes_, bountyBps_, timing.vetoWindow);
        _setFirstOwner(authority.owner);
        _setGuardian(authority.guardian);
        for (uint256 i = 0; i < penalties.length; ++i) {
            _setClass(penalties[i].verifier, penalties[i].class);
        }
    }

    /// @dev Slashed coins come back from the stake source within `slash`, from no one else.
    receive() external payable {
        if (msg.sender != address(stakes)) revert PaymentRefused(msg.sender, msg.value);
    }

    // --- the owner: a timelock --------------------------------------------------------------------------------

    /// @notice Adds, changes or (`wad` 0) removes what the evidence of one verifier costs.
    function setClass(IEvidenceVerifier verifier, Class calldata class) external onlyOwner {
        _setClass(verifier, class);
    }

    function setGuardian(address guardian_) external onlyOwner {
        _setGuardian(guardian_);
    }

    // --- offences ---------------------------------------------------------------------------------------------

    /// @notice Reports an offence.
    /// @return id The case it opened; 0 where it was punished at once.
    function report(IEvidenceVerifier verifier, bytes calldata evidence) external returns (uint256 id) {
        Class memory class = _class(verifier);
        (address operator, uint256 firstTask, uint256 lastTask) = verifier.check(evidence);
        _book(verifier, class, operator, firstTask, lastTask);
        if (!class.vetoable) {
            _slash(verifier, class, operator, firstTask, msg.sender);
            return 0;
        }
        id = ++caseCount;
        uint64 from = uint64(block.timestamp) + vetoWindow;
        caseOf[id] = Case(operator, from, false, msg.sender, verifier, firstTask, keccak256(evidence));
        emit CaseOpened(id, operator, address(verifier), from, evidence);
    }

    /// @notice Strikes out a case while its window is open.
    function veto(uint256 id) external {
        if (msg.sender != guardian) revert NotTheGuardian(msg.sender, guardian);
        Case storage case_ = _openCase(id);
        if (block.timestamp >= case_.executableFrom) revert WindowOver(id, case_.executableFrom);
        case_.closed = true;
        emit CaseVetoed(id);
    }

    /// @notice Punishes after the veto window, if the evidence still holds.
    function execute(uint256 id, bytes calldata evidence) external {
        Case storage case_ = _openCase(id);
        if (block.timestamp < case_.executableFrom) revert StillContestable(id, case_.executableFrom);
        if (keccak256(evidence) != case_.evidenceHash) revert OtherEvidence(id);
        IEvidenceVerifier verifier = case_.verifier;
        Class memory class = _class(verifier);
        verifier.check(evidence);
        case_.closed = true;
        _slash(verifier, class, case_.operator, case_.firstTask, case_.reporter);
    }

    /// @notice Whether an offence is booked, so that a report of it is refused.
    function isBooked(IEvidenceVerifier verifier, address operator, uint256 firstTask) external view returns (bool) {
        return classOf[verifier].windowed
            ? firstTask < _nextTask[_offence(verifier, operator, 0)]
            : _booked[_offence(verifier, operator, firstTask)];
    }

    /// @notice Pays out the bounties that are credited to the sender.
    function withdraw() external {
        uint256 amount = balanceOf[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        balanceOf[msg.sender] = 0;
        (bool paid,) = msg.sender.call{value: amount}("");
        if (!paid) revert PaymentRefused(msg.sender, amount);
    }

    // --- internals --------------------------------------------------------------------------------------------

    function _setClass(IEvidenceVerifier verifier, Class memory class) private {
        if (class.wad > 1e18) revert WrongClass(class.wad);
        classOf[verifier] = class;
        emit ClassSet(address(verifier), class.wad, class.vetoable, class.ejects, class.windowed);
    }

    function _setGuardian(address guardian_) private {
        if (guardian_ == address(0)) revert ZeroAddress();
        guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    function _book(
        IEvidenceVerifier verifier,
        Class memory class,
        address operator,
        uint256 firstTask,
        uint256 lastTask
    ) private {
        bool known;
        if (class.windowed) {
            bytes32 offence = _offence(verifier, operator, 0);
            known = firstTask < _nextTask[offence];
            _nextTask[offence] = lastTask + 1;
        } else {
            bytes32 offence = _offence(verifier, operator, firstTask);
            known = _booked[offence];
            _booked[offence] = true;
        }
        if (known) revert OffenceKnown(address(verifier), operator, firstTask);
    }

    function _slash(
        IEvidenceVerifier verifier,
        Class memory class,
        address operator,
        uint256 firstTask,
        address reporter
    ) private {
        uint256 taken = stakes.slash(operator, class.wad, "p2pavs: proven offence");
        if (class.ejects) stakes.eject(operator);
        uint256 bounty = (taken * bountyBps) / 10_000;
        balanceOf[reporter] += bounty;
        emit OperatorSlashed(operator, address(verifier), reporter, firstTask, class.wad, taken, bounty);
        if (taken == bounty) return;
        (bool burnt,) = BURN.call{value: taken - bounty}("");
        if (!burnt) revert PaymentRefused(BURN, taken - bounty);
    }

    function _class(IEvidenceVerifier verifier) private view returns (Class memory class) {
        class = classOf[verifier];
        if (class.wad == 0) revert UnknownVerifier(address(verifier));
    }

    function _openCase(uint256 id) private view returns (Case storage case_) {
        case_ = caseOf[id];
        if (case_.executableFrom == 0) revert UnknownCase(id);
        if (case_.closed) revert CaseClosed(id);
    }

    function _offence(IEvidenceVerifier verifier, address operator, uint256 task) private pure returns (bytes32) {
        return keccak256(abi.encode(verifier, operator, task));
    }
}
