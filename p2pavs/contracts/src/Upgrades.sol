// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

// OpenZeppelin's contracts that a deployment uses as they are; importing them has them compiled.
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {ProxyAdmin} from "@openzeppelin/contracts/proxy/transparent/ProxyAdmin.sol";
import {TransparentUpgradeableProxy} from "@openzeppelin/contracts/proxy/transparent/TransparentUpgradeableProxy.sol";
