// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {ITaskGateway} from "p2pavs/contracts/src/interfaces/ITaskGateway.sol";
import {ForgeTest} from "./Vm.sol";
import {IGateway, Market} from "./Market.sol";
import {Believer, Epochs} from "./Network.sol";

interface IModels {
    struct Model {
        bytes32 modelHash;
        bytes32 manifestHash;
        bytes32 runtimeProfile;
        bytes32 goldenDigest;
        uint128 pricePerTask;
        uint128 pricePerToken;
        uint16 minCommittee;
        uint16 royaltyBps;
        uint40 activeFrom;
        address maker;
        bool active;
        string name;
    }

    function register(Model calldata model) external returns (bytes32);
}

/// @title The gateway's money: the compiled contract that ships, behind its proxy
contract GatewayTest is ForgeTest {
    bytes32 private constant IMPLEMENTATION_SLOT = bytes32(uint256(keccak256("eip1967.proxy.implementation")) - 1);

    Market private market;
    IGateway private gateway;

    function setUp() external {
        Epochs epochs = new Epochs();
        address models = _create("ModelRegistry", abi.encode(epochs, uint40(0)));
        bytes memory terms = abi.encode(
            epochs,
            new Believer(),
            models,
            uint64(30), // the shortest window
            uint64(1 days), // the longest
            uint40(600), // supplements
            uint40(2 days), // the longest pause
            uint128(5_000), // for a seed
            uint64(100), // base fee
            uint32(4096), // target
            uint64(1_000_000), // bucket
            uint64(0),
            uint32(600)
        );
        address[2] memory versions = [_create("TaskGateway", terms), _create("TaskGateway", terms)];
        bytes memory begin = abi.encodeWithSignature("initialize(address)", address(this));
        address proxy = _create("GatewayProxy", abi.encode(versions[0], address(this), begin));
        gateway = IGateway(proxy);
        market = new Market(gateway, epochs, versions, _created(proxy, 1));
        _hand(proxy);
        market.newEpoch(0);
        vm.startPrank(market.MAKER());
        bytes32 model = IModels(models).register(
            IModels.Model(
                keccak256("gguf"), 0, market.PROFILE(), 0, 1_000, 7, 1, 1_000, 0, market.MAKER(), true, "a model"
            )
        );
        vm.stopPrank();
        market.setModel(model);
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(market);
    }

    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (Selectors[] memory targets) {
        targets = new Selectors[](1);
        targets[0] = Selectors(address(market), market.actions());
    }

    /// What came in is there or went out.
    function invariant_the_balance_is_what_came_in_less_what_went_out() external view {
        assertEq(address(gateway).balance + market.paidOut(), market.paidIn(), "coins");
    }

    /// Escrow, credits, pool, and what signers and maker still can have: it is all there, and nothing else is but
    /// what divisions leave.
    function invariant_the_gateway_holds_what_it_owes() external view {
        uint256 owed = market.owed() + market.gifts();
        assertTrue(address(gateway).balance >= owed, "solvent");
        assertTrue(address(gateway).balance - owed <= market.dust(), "and nothing beyond");
    }

    /// After the last pause that can be counted requests are open, and no task's deadline moves any more.
    function test_pauses_are_counted() external {
        vm.startPrank(address(market));
        for (uint256 i = 0; i < 255; ++i) {
            gateway.setPaused(true);
            vm.warp(block.timestamp + 1);
            gateway.setPaused(false);
        }
        vm.expectRevert(abi.encodeWithSignature("TooManyPauses(uint256)", 255));
        gateway.setPaused(true);
        vm.stopPrank();
        assertTrue(!gateway.paused(), "requests are open");
        market.ask(0, 0);
        assertEq(market.taskCount(), 1, "and taken");
    }

    /// What the proxy says of a result by itself is what the gateway behind it would.
    function invariant_the_proxy_reads_results_as_the_gateway_does() external {
        for (uint256 id = 0; id <= market.taskCount() + 1; ++id) {
            _compareResults(id);
        }
    }

    /// The same for anything that can stand in a task's slots.
    function testFuzz_the_proxy_reads_any_task_as_the_gateway_does(
        uint256 id,
        uint256 first,
        uint256 second,
        bytes32 value,
        uint16 time,
        bool paused
    ) external {
        vm.warp(1_000_000);
        if (paused) {
            vm.prank(address(market));
            gateway.setPaused(true);
        }
        uint256 now_ = block.timestamp + time;
        // status | deadline | manySigners | pauses | headerHash
        uint256 deadline = bound(first, now_ - 2, now_ + 2);
        first = (first & ~uint256(type(uint64).max)) | (deadline << 8) | (first % 5);
        // resultStatus | callbackFailed | attempt | signedBps | outputLength | finalizedAt | ...
        if (second & 1 == 0) second &= ~(uint256(type(uint40).max) << 56);
        bytes32 place = keccak256(abi.encode(id, 1));
        vm.store(address(gateway), place, bytes32(first));
        vm.store(address(gateway), bytes32(uint256(place) + 1), bytes32(second));
        vm.store(address(gateway), bytes32(uint256(place) + 2), value);
        vm.warp(now_);
        uint8 status = _compareResults(id);
        bool certified = (second >> 56) & type(uint40).max != 0;
        assertTrue((status == 2) == (certified || first & 255 == 2), "a time of certification makes it certified");
    }

    function _compareResults(uint256 id) private returns (uint8 status) {
        bytes memory question = abi.encodeCall(ITaskGateway.resultOf, (id));
        (bool ok, bytes memory answer) = address(gateway).staticcall(question);
        assertTrue(ok, "the proxy answers");
        bytes memory code = address(gateway).code;
        address version = address(uint160(uint256(vm.load(address(gateway), IMPLEMENTATION_SLOT))));
        vm.etch(
            address(gateway), abi.encodePacked(hex"363d3d373d3d3d363d73", version, hex"5af43d82803e903d91602b57fd5bf3")
        );
        (, bytes memory other) = address(gateway).staticcall(question);
        vm.etch(address(gateway), code);
        assertTrue(keccak256(answer) == keccak256(other), "the gateway says the same");
        (status,,,) = abi.decode(answer, (uint8, bytes32, uint64, uint16));
    }

    function afterInvariant() external {
        market.goHome();
        uint256 left = address(gateway).balance - market.gifts() - gateway.pool();
        assertTrue(left <= market.dust(), "all the rest has left");
    }

    /// The handler does what it is for: each of its actions succeeds, in the states that matter.
    function test_the_handler_reaches_every_state() external {
        for (uint256 i = 0; i < 900; ++i) {
            uint256 random = uint256(keccak256(abi.encode("coverage", i)));
            bytes4[] memory actions = market.actions();
            (bool ok,) = address(market).call(
                abi.encodePacked(
                    actions[random % actions.length], random >> 8, keccak256(abi.encode(random)), random << 16
                )
            );
            assertTrue(ok, "no action fails");
        }
        string[18] memory states = [
            "asked",
            "asked for seats",
            "certified",
            "certified in a pause",
            "certified late because of a pause",
            "callback failed",
            "callback retried",
            "supplemented",
            "refunded",
            "refunded in a pause",
            "claimed",
            "claimed for seats",
            "claimed twice refused",
            "settled",
            "withdrawn",
            "withdrawal refused",
            "seed rewarded",
            "upgraded"
        ];
        for (uint256 i = 0; i < states.length; ++i) {
            assertTrue(market.seen(keccak256(bytes(states[i]))) > 0, states[i]);
        }
        this.invariant_the_balance_is_what_came_in_less_what_went_out();
        this.invariant_the_gateway_holds_what_it_owes();
        this.afterInvariant();
    }

    function _hand(address proxy) private {
        gateway.offerOwnership(address(market));
        market.takeGateway();
        (bool ok,) = _created(proxy, 1).call(abi.encodeWithSignature("transferOwnership(address)", address(market)));
        assertTrue(ok, "the market upgrades");
    }

    function _create(string memory name, bytes memory arguments) private returns (address made) {
        string memory file = vm.readFile(string.concat("p2pavs/contracts/artifacts/", name, ".json"));
        bytes memory code = abi.encodePacked(vm.parseJsonBytes(file, ".bytecode"), arguments);
        assembly ("memory-safe") {
            made := create(0, add(code, 32), mload(code))
        }
        assertTrue(made != address(0), name);
    }

    function _created(address creator, uint8 nonce) private pure returns (address) {
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes2(0xd694), creator, nonce)))));
    }
}
