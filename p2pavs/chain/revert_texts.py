"""What each error of our contracts means, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

from p2pavs.chain.upgrade_errors import REPORT, UPGRADE_TEXTS

_FAULTY_POSTER = "The certificate was made wrongly or changed on the way; another member's will be accepted."
_CHECK_HEADER = "Take the header from the TaskRequested event of this task."
_CHECK_POINT = "Make the key and its proof with p2pavs keys new and p2pavs operator register."
_EVIDENCE = "Report offences to the slashing manager: p2pavs evidence submit."
_NO_PROOF = "The evidence proves no offence, and nothing was done."
_NEW_SET = "Check the epoch with p2pavs epoch status."

TEXTS: Mapping[str, tuple[str, str]] = {
    # --- operators
    "AlreadyRegistered": ("It is registered already.", "Nothing is left to do."),
    "KeyAlreadyUsed": (
        "This consensus key was registered before, and no key is accepted twice.",
        "Make a new key directory with p2pavs keys new.",
    ),
    "NotAnOperator": (
        "The account {account} is not an active operator.",
        "Register it first: p2pavs operator register.",
    ),
    "WrongPeerIdLength": ("A peer id of {length} bytes is not accepted.", _CHECK_POINT),
    "NotTheRegistrar": (
        "Only the stake source {registrar} registers others, not {sender}.",
        "Register yourself: p2pavs operator register.",
    ),
    "RotationUnderWay": (
        "Another key of {account} takes its place at {from:time}; one rotation is made at a time.",
        "Wait until then.",
    ),
    # --- stake
    "NotTheSlasher": ("Only the slashing manager {slasher} takes stake, not {sender}.", _EVIDENCE),
    "WrongFraction": ("A slash of {wad} / 1e18 is not accepted.", "Take more than 0 and at most 1e18."),
    "AlreadyMember": ("The account {account} is a member already.", "Nothing is left to do."),
    "BelowMinimum": (
        "The stake would be {stake:eth} ETH, but an operator needs {minimum:eth} ETH.",
        "Deposit more: p2pavs operator stake.",
    ),
    "NothingDeposited": ("No ETH was sent along.", "Give an amount: p2pavs operator stake --amount."),
    "NotEnoughStake": (
        "The account asked for {asked:eth} ETH back, but only {available:eth} ETH are staked.",
        "Ask for less.",
    ),
    "NothingToWithdraw": ("There is nothing to withdraw.", "Ask for stake back first: p2pavs operator exit."),
    "StillLocked": ("The stake can be withdrawn from {until:time} on.", "Try again then."),
    "PaymentRefused": (
        "The account {account} did not take {amount:eth} ETH.",
        "Use an account that can receive ETH.",
    ),
    "TooMuchStake": (
        "A stake of {stake:eth} ETH is more than the {maximum:eth} ETH that can be counted.",
        "Deposit less.",
    ),
    "SetFull": (
        "All 256 places are taken, each with {leastMember:eth} ETH or more; this stake is {stake:eth} ETH.",
        "Deposit more stake than the smallest member has.",
    ),
    # --- epochs
    "EpochNotDue": (
        "The next epoch can be frozen from block {dueBlock} on; now is block {blockNumber}.",
        "Wait until then.",
    ),
    "AlreadyFrozen": (
        "The operator set of epoch {epoch} is frozen already.",
        "Go on with p2pavs epoch advance.",
    ),
    "NothingFrozen": (
        "No operator set is frozen for epoch {epoch}.",
        "Freeze it first: p2pavs epoch freeze.",
    ),
    "SameBlockAsFreeze": (
        "An epoch cannot be opened in the block that froze it.",
        "Try again in the next block.",
    ),
    "WrongKeysLength": ("Keys have 96 bytes each; {length} bytes are not whole keys.", REPORT),
    "KeyMissing": (
        "The snapshot needs the key of {account}, which has joined or changed its key meanwhile.",
        "Try again.",
    ),
    "WrongRevealBlocks": ("A leader needs at least 2 blocks, not {revealBlocks}.", "Give it more."),
    "NoLeaderYet": (
        "Epoch {epoch} has no leaders: there is none before it.",
        "Open it: p2pavs epoch open.",
    ),
    "LadderOver": (
        "All leaders of epoch {epoch} let their windows pass.",
        "Anyone may open it now: p2pavs epoch open.",
    ),
    "LadderNotOver": (
        "Leaders may reveal up to block {overAfterBlock}; now is block {blockNumber}.",
        "Nodes reveal by themselves; see p2pavs epoch status for whose turn it is.",
    ),
    "NotTheLeader": (
        "Operator {index} is not the leader of rank {rank}, whose turn it is.",
        "Wait for your own turn: p2pavs epoch status.",
    ),
    "NoOperators": (
        "There is no active operator with enough stake, so there is no set to freeze.",
        "Register and stake first: p2pavs operator register, p2pavs operator stake.",
    ),
    "UnknownEpoch": ("There is no epoch {epoch}.", _NEW_SET),
    "StakeOverflow": ("The total stake is too large to be counted.", REPORT),
    # --- models
    "UnknownModel": ("There is no model {modelId}.", "See p2pavs model list for the models there are."),
    "ModelInactive": ("The model {modelId} takes no tasks now.", "Use another one: p2pavs model list."),
    "ModelNotActiveYet": (
        "The model {modelId} takes tasks from epoch {fromEpoch} on.",
        "Wait, or use the version before: p2pavs model list.",
    ),
    "RoyaltyTooHigh": (
        "A royalty of {royaltyBps} hundredths of a percent is more than {maximum}.",
        "Ask for less.",
    ),
    "NotTheMaker": ("Only the maker {maker} can do this, not {sender}.", "Use the maker's account."),
    "EmptyField": ("The model's {field} is empty.", "Fill it in and try again."),
    "WrongNameLength": ("A model's name has 1 to {maximum} bytes, not {length}.", "Choose another name."),
    "UnknownIndex": ("There is no entry {index}; there are {count}.", "Ask for a smaller number."),
    # --- requests
    "NoEpochOpen": (
        "There is no open epoch yet, so nobody could answer.",
        "Open one: p2pavs epoch advance.",
    ),
    "PausedAlready": ("Requests are paused already.", "Nothing is left to do."),
    "NotPaused": ("Requests are not paused.", "Nothing is left to do."),
    "TooManyPauses": ("There were {maximum} pauses, which is the most there can be.", "Upgrade the gateway."),
    "WrongLongestPause": (
        "A longest pause of {seconds_} s is more than {maximum} s.",
        "Choose a shorter longest_pause.",
    ),
    "RequestsArePaused": ("New requests are paused.", "Wait until the owner of the gateway lifts the pause."),
    "FeeTooHigh": ("A fee of {fee:eth} ETH is more than can be counted.", "Offer a smaller tip."),
    "WrongAttempts": ("A task has 1 to {maximum} attempts, not {attempts}.", "Choose another number."),
    "BlockFull": (
        "The block takes only {left} more compute units, the request has {units}.",
        "Try again in the next block, or ask for fewer tokens.",
    ),
    "RequesterAtLimit": (
        "{requester} may ask for {available} compute units now, the request has {units}.",
        "Wait: the limit frees itself within minutes. Stake raises it.",
    ),
    "WrongFeeTerms": (
        "These terms of the fee market are not accepted.",
        "Give a target, a bucket and its time above 0, and a minimum base fee of at least 8 wei.",
    ),
    "FeeTooLow": (
        "The task costs {fee:eth} ETH, but {paid:eth} ETH were sent along.",
        "Send what quote() returns.",
    ),
    "DeadlineTooNear": ("The deadline must be {earliest:time} or later.", "Choose a later deadline."),
    "DeadlineTooFar": ("The deadline must be {latest:time} or earlier.", "Choose an earlier deadline."),
    "CommitteeTooSmall": (
        "The model asks for a committee of at least {minimum}, this one would have {size}.",
        "Ask for more seats, or wait until there are more operators.",
    ),
    "CommitteeTooLarge": ("A committee has at most {maximum} seats.", "Ask for fewer seats."),
    "UnknownMode": ("There is no mode {mode}.", "Use 0 (replicate) or 1 (verify)."),
    "InputEmpty": ("The input is empty.", "Send some input."),
    "InputTooLarge": ("The input has {length} bytes; at most {maximum} are taken.", "Shorten the input."),
    "WrongMaxTokens": (
        "A task may generate 1 to {maximum} tokens, not {maxTokens}.",
        "Choose another maxTokens.",
    ),
    "TooManyStops": ("{count} stop strings are too many; {maximum} are taken.", "Use fewer."),
    "WrongStopLength": (
        "Stop string {index} has {length} bytes; 1 to {maximum} are taken.",
        "Change that string.",
    ),
    "TooManyChoices": ("{count} choices are too many; {maximum} are taken.", "Use fewer."),
    "WrongChoiceLength": (
        "Choice {index} has {length} bytes; 1 to {maximum} are taken.",
        "Change that choice.",
    ),
    "WrongManifest": (
        "That manifest has the hash {given}; the model was registered with {registered}.",
        "Give the manifest that the model was registered with.",
    ),
    "SchemaTooLarge": (
        "The JSON schema has {length} bytes; {maximum} are taken.",
        "Leave out descriptions and blanks, or ask for less.",
    ),
    "ChoicesAndSchema": ("Choices and a JSON schema exclude each other.", "Give one of them."),
    "WrongShare": (
        "A share (topP, minP) is at most {maximum} millionths, not {micro}.",
        "Choose a smaller one, or 0 for none.",
    ),
    "WrongRepetitionPenalty": (
        "A repetition penalty has {minimum} to {maximum} thousandths, not {milli}.",
        "Choose another, or 0 for none.",
    ),
    "CallbackGasTooHigh": (
        "The callback asks for {callbackGas} gas; at most {maximum} are given.",
        "Ask for less.",
    ),
    # --- certificates
    "AlreadyCertified": ("Task {id} is certified already.", "Nothing is left to do: read it with resultOf."),
    "AlreadyRefunded": ("The fee of task {id} was given back already.", "Nothing is left to do."),
    "NotCertified": ("Task {id} is not certified.", "Wait until it is."),
    "HeaderMismatch": ("This is not the header of task {id}.", _CHECK_HEADER),
    "UnknownTask": ("There is no task {id}.", "Check the number, and that this is the right gateway."),
    "DeadlinePassed": (
        "The deadline of task {id} has passed ({deadline:time}).",
        "The requester can have the fee back: refund.",
    ),
    "DeadlineNotPassed": (
        "Task {id} can be refunded after its deadline, {deadline:time}.",
        "Try again then.",
    ),
    "UnknownAttempt": ("The task has {attempts} attempts; there is no attempt {attempt}.", _FAULTY_POSTER),
    "AttemptNotBegun": ("Attempt {attempt} begins on {begins:time}.", _FAULTY_POSTER),
    "NotTheDecision": ("Task {id} was certified in another round, or with another result.", _FAULTY_POSTER),
    "SupplementTooLate": (
        "Signers could be added to task {id} until {until:time}.",
        "Nothing is left to do.",
    ),
    "SignedAlready": ("Some of them are in the certificate of task {id} already.", "Add only the others."),
    "NothingToAdd": ("There is nobody to add to the certificate of task {id}.", "Name who is to be added."),
    "UnknownResultStatus": ("A result cannot have the status {status}.", _FAULTY_POSTER),
    "OutputTooLarge": ("The output has {length} bytes; at most {maximum} are taken.", _FAULTY_POSTER),
    "OutputLengthMismatch": ("The output has {actual} bytes, the result says {claimed}.", _FAULTY_POSTER),
    "OutputHashMismatch": ("The output is not the one that the result names.", _FAULTY_POSTER),
    "WrongRuntimeProfile": (
        "The result was computed in another runtime than the model was registered with.",
        "Operators: check p2pavs doctor. The model's maker: register the model with the operators' runtime.",
    ),
    "QuorumNotReached": (
        "Only {signed} of {total} weight signed; more than two thirds must.",
        "Wait for more precommits.",
    ),
    "SignatureMismatch": ("The signature does not fit the signers and the statement.", _FAULTY_POSTER),
    "BitmapTooWide": ("The bitmap names more than the {places} places there are.", _FAULTY_POSTER),
    "WrongKeyHint": ("The y that came along is not that of the key of operator {index}.", _FAULTY_POSTER),
    "WrongHintsLength": ("The hints have {length} bytes, not {expected}.", _FAULTY_POSTER),
    "UnknownSeatHolder": (
        "Seat {seat} is said to belong to operator {index}, which does not exist.",
        _FAULTY_POSTER,
    ),
    "WrongSeatHolder": ("Seat {seat} does not belong to operator {index}.", _FAULTY_POSTER),
    "InvalidPoint": ("A key or signature is not a point of the curve.", _CHECK_POINT),
    "InfinitySignature": ("The signature is the point at infinity.", _CHECK_POINT),
    "InfinityKey": ("The key is the point at infinity.", _CHECK_POINT),
    "WrongSignatureLength": ("A signature has 256 bytes here, not {length}.", _CHECK_POINT),
    "WrongKeyLength": ("A key has 128 bytes here, not {length}.", _CHECK_POINT),
    "TooLittleGas": (
        "{available} gas are left, checking a signature takes {needed}.",
        "Send more gas along.",
    ),
    "PrecompileMissing": (
        "This chain lacks the BLS12-381 precompiles (EIP-2537), here {precompile}.",
        "Use a chain with the Prague upgrade or later; a test chain with anvil --hardfork prague.",
    ),
    "PrecompileFailed": ("The chain's precompile {precompile} refused its input.", _CHECK_POINT),
    # --- restaking
    "NotTheAllocationManager": (
        "Only EigenLayer's AllocationManager {allocationManager} can do this, not {sender}.",
        "Join and leave the operator set in EigenLayer.",
    ),
    "NotOurSet": (
        "{avs} is not this AVS, or the operator set is not its set 0.",
        "Name this AVS and its set 0.",
    ),
    "WrongStrategies": ("The strategies are none, or not in ascending order.", "Name each strategy once."),
    "AlreadySetUp": ("The AVS is set up already.", "Nothing is left to do."),
    "NotSlashable": (
        "EigenLayer cannot slash {account} any more.",
        "It left too long ago: report offences earlier.",
    ),
    # --- slashing
    "UnknownVerifier": ("No penalty is set for the evidence of {verifier}.", _EVIDENCE),
    "WrongClass": ("A penalty of {wad} / 1e18 is more than everything.", "Take at most 1e18."),
    "WrongBounty": ("A bounty of {bps} / 10,000 is above {maximum}.", "Choose a lower bounty."),
    "UnbondingTooShort": (
        "An offence can be punished for {needed} s; stake that leaves must stay more than twice as long, "
        "not {unbonding} s.",
        "Deploy with a longer withdrawal delay, or shorter windows.",
    ),
    "OffenceKnown": (
        "This offence of {operator} (task {firstTask}) was reported before.",
        "Nothing is left to do: an offence is punished once.",
    ),
    "UnknownCase": ("There is no case {id}.", "See p2pavs evidence list."),
    "CaseClosed": ("Case {id} is closed: it was vetoed or punished.", "Nothing is left to do."),
    "StillContestable": ("Case {id} can be vetoed until {until:time}.", "Execute it after that."),
    "WindowOver": ("Case {id} could be vetoed until {since:time}.", "It is too late for a veto."),
    "OtherEvidence": ("This is not the evidence of case {id}.", "Take it from the CaseOpened event."),
    "NotTheGuardian": ("Only the guardian {guardian} can veto, not {sender}.", "Use the guardian's account."),
    "UnknownKey": ("No operator ever registered the key with the hash {keyHash}.", _NO_PROOF),
    "NoConflict": ("Both statements have the same value.", _NO_PROOF),
    "UnknownKind": ("A statement of kind {kind} is no evidence.", _NO_PROOF),
    "ClaimsNoResult": ("A statement of kind {kind} claims no result of its signer's own.", _NO_PROOF),
    "ClaimsTheCertified": ("The statement claims no other result than the certified one.", _NO_PROOF),
    "WrongSecret": ("The certified result does not commit to this trace secret.", _NO_PROOF),
    "TagIsRight": ("The work tag is the one that was due.", _NO_PROOF),
    "WrongRule": (
        "Missing from {least} of {window} tasks is no rule.",
        "Take at least 1 and at most as many as the window has.",
    ),
    "TooFewTasks": ("{tasks} tasks were named; {least} make the offence.", _NO_PROOF),
    "NotAscending": ("Task {id} is named out of order.", "Name the tasks in ascending order."),
    "WindowTooWide": ("Tasks {firstTask} to {lastTask} are more than {window} in a row.", _NO_PROOF),
    "NotDrawn": ("{operator} had no seat in the committee that certified task {id}.", _NO_PROOF),
    "SupplementOpen": (
        "Precommits can be added to the certificate of task {id} until {until:time}.",
        "Try again then.",
    ),
    "PausedMeanwhile": ("Requests were paused while task {id} was open, so it counts for nobody.", _NO_PROOF),
    "NotInTheSet": ("The set of task {id} has no index {index}.", _NO_PROOF),
    "AnotherOperator": ("At that index of the set of task {id} is {found}, not {expected}.", _NO_PROOF),
    "WasThere": ("{operator} is in the certificate of task {id}.", _NO_PROOF),
    # --- callbacks, money, ownership
    "NoCallbackToRetry": ("There is no failed callback of task {id}.", "Nothing is left to do."),
    "CallbackFailedAgain": (
        "The callback of task {id} failed again.",
        "Mend the contract that takes the result, then retry.",
    ),
    "NotEnoughCallbackGas": ("{available} gas are left, {needed} are needed.", "Send more gas along."),
    "WrongOutput": ("This is not the output of task {id}.", "Take it from the TaskCertified event."),
    "ClaimTooEarly": (
        "The shares of task {id} are fixed on {from:time}: until then signers can be added.",
        "Claim it then.",
    ),
    "AlreadySettled": ("The royalty and base fee of task {id} are passed on already.", "Leave it out."),
    "NoRevealer": ("No operator made the seed of epoch {epoch}.", "See p2pavs epoch status EPOCH."),
    "BeaconRewardClaimedAlready": (
        "The reward for the seed of epoch {epoch} is claimed already.",
        "Nothing is left to do.",
    ),
    "PoolEmpty": (
        "The pool that rewards seeds is empty.",
        "Try again when tasks were certified and settled.",
    ),
    "NothingToClaim": ("There is nothing to claim.", "Name at least one certified task."),
    "AnotherEpoch": (
        "Task {id} belongs to epoch {epoch}, not {expected}.",
        "Claim the tasks of each epoch by themselves.",
    ),
    "UnknownOperatorIndex": ("The set has {operators} operators; there is no index {index}.", _NEW_SET),
    "DidNotSign": ("Operator {index} did not sign task {id}.", "Claim only tasks the operator signed."),
    "AlreadyClaimed": ("{operator} has the reward of task {id} already.", "Leave this task out."),
    "NotTheOwner": ("Only the owner {owner} can do this, not {sender}.", "Use the owner's account."),
    "NoOwner": ("A contract cannot do without an owner.", "Give a real address."),
    "AlreadyInitialized": ("The contract was initialized before.", "Nothing is left to do."),
    "NotTheCandidate": ("Only {candidate} can take the ownership, not {sender}.", "Use that account."),
    "ZeroAddress": ("The zero address is not accepted.", "Give a real address."),
    "WrongWindow": (
        "A window from {minimum} s to {maximum} s is not accepted.",
        "The minimum must be above 0 and not above the maximum.",
    ),
    "BlobTooLarge": ("The operator records do not fit a contract.", REPORT),
    "BlobNotWritten": ("The operator records could not be written.", "Try again with more gas."),
    "EmptyDraw": ("Nothing to draw from: the set has no stake.", REPORT),
    # --- the compiler's own
    "Error": ("The contract refused: {message}", "Read the contract's documentation."),
    "Panic": ("A check inside the contract failed (panic code {code}).", REPORT),
    **UPGRADE_TEXTS,
}
"""Sentence and remedy for each error of our contracts. ``:eth`` marks amounts, ``:time`` unix seconds."""
