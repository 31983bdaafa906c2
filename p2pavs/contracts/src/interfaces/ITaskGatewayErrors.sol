// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title Why the gateway refuses something
interface ITaskGatewayErrors {
    // Set-up and requests
    error RequestsArePaused();
    error ZeroAddress();
    error WrongWindow(uint64 minimum, uint64 maximum);
    error NoEpochOpen();
    error CommitteeTooSmall(uint256 size, uint256 minimum);
    error CommitteeTooLarge(uint256 size, uint256 maximum);
    error UnknownMode(uint8 mode);
    error InputEmpty();
    error InputTooLarge(uint256 length, uint256 maximum);
    error WrongMaxTokens(uint256 maxTokens, uint256 maximum);
    error TooManyStops(uint256 count, uint256 maximum);
    error WrongStopLength(uint256 index, uint256 length, uint256 maximum);
    error TooManyChoices(uint256 count, uint256 maximum);
    error WrongChoiceLength(uint256 index, uint256 length, uint256 maximum);
    error SchemaTooLarge(uint256 length, uint256 maximum);
    error ChoicesAndSchema();
    error WrongShare(uint256 micro, uint256 maximum);
    error WrongRepetitionPenalty(uint256 milli, uint256 minimum, uint256 maximum);
    error DeadlineTooNear(uint256 deadline, uint256 earliest);
    error DeadlineTooFar(uint256 deadline, uint256 latest);
    error CallbackGasTooHigh(uint256 callbackGas, uint256 maximum);
    error FeeTooLow(uint256 paid, uint256 fee);
    error FeeTooHigh(uint256 fee);
    error WrongAttempts(uint8 attempts, uint256 maximum);

    // Tasks and certificates
    error UnknownTask(uint256 id);
    error AlreadyCertified(uint256 id);
    error AlreadyRefunded(uint256 id);
    error NotCertified(uint256 id);
    error HeaderMismatch(uint256 id);
    error DeadlinePassed(uint256 id, uint256 deadline);
    error DeadlineNotPassed(uint256 id, uint256 deadline);
    error UnknownAttempt(uint16 attempt, uint8 attempts);
    error AttemptNotBegun(uint16 attempt, uint256 begins);
    error NotTheDecision(uint256 id);
    error SupplementTooLate(uint256 id, uint256 until);
    error SignedAlready(uint256 id, uint256 bitmap);
    error NothingToAdd(uint256 id);
    error UnknownResultStatus(uint8 status);
    error OutputTooLarge(uint256 length, uint256 maximum);
    error OutputLengthMismatch(uint256 claimed, uint256 actual);
    error OutputHashMismatch(bytes32 claimed, bytes32 actual);
    error WrongRuntimeProfile(bytes32 claimed, bytes32 ofModel);
    error NotEnoughCallbackGas(uint256 available, uint256 needed);
    error NoCallbackToRetry(uint256 id);
    error CallbackFailedAgain(uint256 id);
    error WrongOutput(uint256 id);

    // Money
    error NothingToClaim();
    error ClaimTooEarly(uint256 id, uint256 from);
    error AlreadySettled(uint256 id);
    error NoRevealer(uint64 epoch);
    error BeaconRewardClaimedAlready(uint64 epoch);
    error PoolEmpty();
    error AnotherEpoch(uint256 id, uint64 epoch, uint64 expected);
    error UnknownOperatorIndex(uint256 index, uint256 operators);
    error DidNotSign(uint256 id, uint256 index);
    error AlreadyClaimed(uint256 id, address operator);
    error NothingToWithdraw(address account);
    error PaymentRefused(address account, uint256 amount);
}
