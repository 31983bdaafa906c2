// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    TransparentUpgradeableProxy
} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
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
        address proxy = address(
            new TransparentUpgradeableProxy(
                versions[0], address(this), abi.encodeWithSignature("initialize(address)", address(this))
            )
        );
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
