// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";
import {Consumer, Epochs} from "./Network.sol";
import {ForgeTest, Log} from "./Vm.sol";

/// @title What the market uses of the gateway beyond its interface
interface IGateway is ITaskGateway {
    function rewardOf(TaskHeader calldata header, uint16 index) external view returns (uint256 amount, bool claimed);
    function callbackPending(uint256 id) external view returns (bool);
    function valueIdOf(Result calldata result) external pure returns (bytes32);
    function attemptStart(TaskHeader calldata header, uint16 attempt) external pure returns (uint256);
    function pool() external view returns (uint256);
    function paused() external view returns (bool);
    function setPaused(bool paused_) external;
    function offerOwnership(address to) external;
    function takeOwnership() external;
}

/// @title Requesters, operators, a maker and an owner, who do what they can in any order
contract Market is ForgeTest {
    uint256 private constant OPERATORS = 4;
    uint256 private constant REQUESTERS = 3;
    uint16 private constant SEATS = 7;
    address public constant MAKER = address(0x5000);
    bytes32 public constant PROFILE = keccak256("profile");
    bytes private constant OUTPUT = "yes";

    struct Entry {
        ITaskGateway.TaskHeader header;
        uint256 signers;
        bool settled;
    }

    IGateway public immutable gateway;
    Epochs private immutable epochs;
    address private immutable admin;
    address[2] private versions;
    bytes32 private model;
    Consumer[2] private consumers;
    address private immutable quitter;

    Entry[] private _tasks;
    uint64[] private _epochsSeen;
    uint256 public paidIn;
    uint256 public paidOut;
    uint256 public gifts;
    uint256 private _consumersHave;
    mapping(bytes32 state => uint256) public seen;

    constructor(IGateway gateway_, Epochs epochs_, address[2] memory versions_, address admin_) {
        (gateway, epochs, versions, admin) = (gateway_, epochs_, versions_, admin_);
        consumers = [new Consumer(), new Consumer()];
        bytes memory code = hex"6133ff6000526002601ef3"; // its code: give everything to the caller, and be gone
        address made;
        assembly {
            made := create(0, add(code, 32), mload(code))
        }
        quitter = made;
    }

    function setModel(bytes32 model_) external {
        model = model_;
    }

    function takeGateway() external {
        gateway.takeOwnership();
    }

    function taskCount() external view returns (uint256) {
        return _tasks.length;
    }

    function actions() external pure returns (bytes4[] memory all) {
        all = new bytes4[](15);
        all[0] = all[1] = this.ask.selector;
        all[2] = all[3] = this.certify.selector;
        all[4] = this.supplement.selector;
        all[5] = this.retry.selector;
        all[6] = this.refund.selector;
        all[7] = all[8] = this.claim.selector;
        all[9] = this.settle.selector;
        all[10] = this.withdraw.selector;
        all[11] = this.pause.selector;
        all[12] = this.wait.selector;
        all[13] = this.newEpoch.selector;
        all[14] = this.upgrade.selector;
    }

    // --- actions ----------------------------------------------------------------------------------------------

    function ask(uint256 who, uint256 how) external {
        if (gateway.paused()) return;
        vm.roll(block.number + 1);
        ITaskGateway.InferenceRequest memory request;
        request.modelId = model;
        request.input = "Is water wet?";
        request.params.maxTokens = 8;
        request.committeeSize = how & 1 == 0 ? 0 : SEATS;
        request.attempts = uint8(1 + (how >> 1) % 3);
        request.deadline = uint64(block.timestamp + 300 + (how >> 8) % 3600);
        request.tip = uint128((how >> 32) % 10_000);
        request.callback = _callback(how >> 64);
        request.callbackGas = request.callback == address(0) ? 0 : 60_000;
        address sender = _requester(who);
        uint256 value = gateway.quote(model, 8, 13) + request.tip + (how >> 80) % 3 * 500;
        vm.deal(sender, sender.balance + value);
        vm.recordLogs();
        vm.prank(sender);
        gateway.requestInference{value: value}(request);
        paidIn += value;
        Log[] memory logs = vm.getRecordedLogs();
        (ITaskGateway.TaskHeader memory header,,) =
            abi.decode(logs[logs.length - 1].data, (ITaskGateway.TaskHeader, bytes, ITaskGateway.InferenceParams));
        _tasks.push().header = header;
        _see(request.committeeSize == 0 ? "asked" : "asked for seats");
    }

    function certify(uint256 which, uint256 who, uint256 mood) external {
        (bool found, uint256 place) = _find(which, 1);
        if (!found) return;
        Entry storage task = _tasks[place];
        ITaskGateway.TaskHeader memory header = task.header;
        uint256 all = (1 << (header.committeeSize == 0 ? OPERATORS : SEATS)) - 1;
        ITaskGateway.Certificate memory certificate;
        certificate.result = _result();
        certificate.attempt = uint16(who % header.attempts);
        if (block.timestamp < gateway.attemptStart(header, certificate.attempt)) certificate.attempt = 0;
        certificate.bitmap = all & ~(1 << (who % 5));
        consumers[0].setMood(uint8(mood % 5));
        consumers[1].setMood(uint8(mood % 2 * 4));
        uint256 gift = header.callback == quitter ? 3 : 0;
        vm.deal(quitter, gift);
        gateway.submitCertificate(header, certificate, OUTPUT);
        task.signers = certificate.bitmap;
        paidIn += gift;
        gifts += gift;
        _countConsumers();
        _see("certified");
        if (gateway.paused()) _see("certified in a pause");
        if (block.timestamp > header.deadline) _see("certified late because of a pause");
        if (gateway.callbackPending(header.id)) _see("callback failed");
    }

    function supplement(uint256 which) external {
        (bool found, uint256 place) = _find(which, 2);
        if (!found) return;
        Entry storage task = _tasks[place];
        ITaskGateway.TaskHeader memory header = task.header;
        (,, uint64 finalizedAt,) = gateway.resultOf(header.id);
        uint256 all = (1 << (header.committeeSize == 0 ? OPERATORS : SEATS)) - 1;
        ITaskGateway.Supplement memory late;
        late.value = gateway.valueIdOf(_result());
        late.bitmap = all & ~task.signers;
        if (late.bitmap == 0 || block.timestamp >= finalizedAt + 600) return;
        gateway.supplement(header, late);
        task.signers = all;
        _see("supplemented");
    }

    function retry(uint256 which, uint256 mood) external {
        for (uint256 i = 0; i < _tasks.length; ++i) {
            ITaskGateway.TaskHeader memory header = _tasks[(which % _tasks.length + i) % _tasks.length].header;
            if (!gateway.callbackPending(header.id)) continue;
            consumers[0].setMood(uint8(mood % 3 == 0 ? 1 : 0));
            consumers[1].setMood(0);
            try gateway.retryCallback{gas: 2_000_000}(header, OUTPUT) {
                _see("callback retried");
            } catch {
                assertTrue(gateway.callbackPending(header.id), "it can be tried again");
            }
            return;
        }
    }

    function refund(uint256 which) external {
        (bool found, uint256 place) = _find(which, 3);
        if (!found) return;
        gateway.refund(_tasks[place].header);
        _see("refunded");
        if (gateway.paused()) _see("refunded in a pause");
    }

    function claim(uint256 which, uint256 who) external {
        (bool found, uint256 place) = _find(which, 2);
        if (!found) return;
        Entry storage task = _tasks[place];
        ITaskGateway.TaskHeader[] memory headers = new ITaskGateway.TaskHeader[](1);
        headers[0] = task.header;
        uint16 index = uint16(who % OPERATORS);
        (,, uint64 finalizedAt,) = gateway.resultOf(headers[0].id);
        if (block.timestamp < finalizedAt + 600) return;
        try gateway.rewardOf(headers[0], index) returns (uint256, bool claimed) {
            try gateway.claim(index, headers) {
                assertTrue(!claimed, "nothing is paid twice");
                task.settled = true;
                _see("claimed");
                if (headers[0].committeeSize != 0) _see("claimed for seats");
            } catch {
                assertTrue(claimed, "what is due can be claimed");
                _see("claimed twice refused");
            }
        } catch {} // it had no part
    }

    function settle(uint256 which) external {
        (bool found, uint256 place) = _find(which, 2);
        if (!found) return;
        Entry storage task = _tasks[place];
        ITaskGateway.TaskHeader[] memory headers = new ITaskGateway.TaskHeader[](1);
        headers[0] = task.header;
        try gateway.settle(headers) {
            assertTrue(!task.settled, "once");
            task.settled = true;
            _see("settled");
        } catch {
            assertTrue(task.settled, "what is open can be settled");
        }
    }

    function withdraw(uint256 who, uint256 mood) external {
        consumers[0].setMood(uint8(mood % 5));
        address[] memory accounts = _accounts();
        _withdraw(accounts[who % accounts.length]);
        // Seeds are paid from what was settled; anyone may ask for it.
        uint64 epoch = _epochsSeen[mood % _epochsSeen.length];
        try gateway.claimBeaconReward(epoch) {
            _see("seed rewarded");
        } catch {}
    }

    function pause() external {
        gateway.setPaused(!gateway.paused());
    }

    function wait(uint256 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 1, 2400));
        vm.roll(block.number + 1 + seconds_ % 5);
    }

    function newEpoch(uint256 stakes) public {
        address[] memory operators = new address[](OPERATORS);
        uint128[] memory amounts = new uint128[](OPERATORS);
        for (uint256 i = 0; i < OPERATORS; ++i) {
            operators[i] = _operator(i);
            amounts[i] = uint128(1 ether + ((stakes >> (8 * i)) & 255) * 0.01 ether);
        }
        epochs.open(operators, amounts, _operator(stakes % OPERATORS));
        _epochsSeen.push(epochs.currentEpoch());
    }

    function upgrade(uint256 to) external {
        (bool ok,) = admin.call(
            abi.encodeWithSignature("upgradeAndCall(address,address,bytes)", gateway, versions[to % 2], "")
        );
        assertTrue(ok, "upgrade");
        _see("upgraded");
    }

    // --- what the test asks -----------------------------------------------------------------------------------

    /// What the gateway owes: fees of open tasks, credits, the pool, and what certified tasks have not paid out yet.
    function owed() external view returns (uint256 sum) {
        sum = gateway.pool();
        address[] memory accounts = _accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            sum += gateway.balanceOf(accounts[i]);
        }
        for (uint256 i = 0; i < _tasks.length; ++i) {
            ITaskGateway.TaskHeader memory header = _tasks[i].header;
            (uint8 status,,,) = gateway.resultOf(header.id);
            if (status == 1 || status == 3) sum += header.fee;
            if (status != 2) continue;
            if (!_tasks[i].settled) sum += header.baseFee + header.royalty;
            for (uint16 index = 0; index < OPERATORS; ++index) {
                try gateway.rewardOf(header, index) returns (uint256 amount, bool claimed) {
                    if (!claimed) sum += amount;
                } catch {}
            }
        }
    }

    /// Less than a wei for each signer of a task.
    function dust() external view returns (uint256) {
        return OPERATORS * _tasks.length;
    }

    /// Everybody takes what is theirs; nobody's consent is needed but their own.
    function goHome() external {
        vm.warp(block.timestamp + 4 days);
        consumers[0].setMood(0);
        consumers[1].setMood(0);
        ITaskGateway.TaskHeader[] memory headers = new ITaskGateway.TaskHeader[](1);
        for (uint256 i = 0; i < _tasks.length; ++i) {
            headers[0] = _tasks[i].header;
            (uint8 status,,,) = gateway.resultOf(headers[0].id);
            assertTrue(status == 2 || status == 3 || status == 4, "no pause keeps a task open for ever");
            if (status == 3) gateway.refund(headers[0]);
            if (status != 2) continue;
            if (!_tasks[i].settled) gateway.settle(headers);
            for (uint16 index = 0; index < OPERATORS; ++index) {
                try gateway.rewardOf(headers[0], index) returns (uint256, bool claimed) {
                    if (!claimed) gateway.claim(index, headers);
                } catch {}
            }
        }
        address[] memory accounts = _accounts();
        for (uint256 i = 0; i < accounts.length; ++i) {
            _withdraw(accounts[i]);
            assertEq(gateway.balanceOf(accounts[i]), 0, "nothing is left behind");
        }
    }

    // --- small parts ------------------------------------------------------------------------------------------

    /// @dev The first task from a random one on with this status: 1 open, 2 certified, 3 late.
    function _find(uint256 from, uint8 wanted) private view returns (bool, uint256) {
        for (uint256 i = 0; i < _tasks.length; ++i) {
            uint256 place = (from % _tasks.length + i) % _tasks.length;
            (uint8 status,,,) = gateway.resultOf(_tasks[place].header.id);
            if (status == wanted) return (true, place);
        }
        return (false, 0);
    }

    function _withdraw(address account) private {
        uint256 credit = gateway.balanceOf(account);
        if (credit == 0) return;
        vm.prank(account);
        try gateway.withdraw() {
            if (account == address(consumers[0]) || account == address(consumers[1])) _countConsumers();
            else paidOut += credit;
            _see("withdrawn");
        } catch {
            assertEq(gateway.balanceOf(account), credit, "who refuses keeps the credit");
            _see("withdrawal refused");
        }
        assertTrue(gateway.balanceOf(account) == 0 || gateway.balanceOf(account) == credit, "all or nothing");
    }

    /// @dev A consumer may also have withdrawn its credit from within a callback.
    function _countConsumers() private {
        uint256 have = address(consumers[0]).balance + address(consumers[1]).balance;
        paidOut += have - _consumersHave;
        _consumersHave = have;
    }

    function _result() private pure returns (ITaskGateway.Result memory result) {
        result.status = 1;
        result.outputHash = keccak256(OUTPUT);
        result.outputLength = uint32(OUTPUT.length);
        result.runtimeProfile = PROFILE;
    }

    function _callback(uint256 kind) private view returns (address) {
        if (kind % 4 == 0) return address(0);
        return kind % 4 == 1 ? address(consumers[0]) : kind % 4 == 2 ? address(consumers[1]) : quitter;
    }

    function _requester(uint256 i) private view returns (address) {
        return i % REQUESTERS == 2 ? address(consumers[0]) : address(uint160(0x6000 + (i % REQUESTERS)));
    }

    function _operator(uint256 i) private pure returns (address) {
        return address(uint160(0x7000 + i));
    }

    function _accounts() private view returns (address[] memory all) {
        all = new address[](REQUESTERS + OPERATORS + 2);
        for (uint256 i = 0; i < REQUESTERS; ++i) {
            all[i] = _requester(i);
        }
        for (uint256 i = 0; i < OPERATORS; ++i) {
            all[REQUESTERS + i] = _operator(i);
        }
        all[REQUESTERS + OPERATORS] = MAKER;
        all[REQUESTERS + OPERATORS + 1] = address(consumers[1]);
    }

    function _see(string memory state) private {
        ++seen[keccak256(bytes(state))];
    }
}
