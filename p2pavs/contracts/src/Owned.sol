// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title An owner who can only hand over to someone who takes it
abstract contract Owned {
    error NotTheOwner(address sender, address owner);
    error NotTheCandidate(address sender, address candidate);

    event OwnershipOffered(address indexed owner, address indexed candidate);
    event OwnershipTaken(address indexed previous, address indexed owner);

    address public owner;
    address public candidate;

    constructor() {
        owner = msg.sender;
        emit OwnershipTaken(address(0), msg.sender);
    }

    modifier onlyOwner() {
        if (msg.sender != owner) revert NotTheOwner(msg.sender, owner);
        _;
    }

    function offerOwnership(address to) external onlyOwner {
        candidate = to;
        emit OwnershipOffered(msg.sender, to);
    }

    function takeOwnership() external {
        if (msg.sender != candidate) revert NotTheCandidate(msg.sender, candidate);
        emit OwnershipTaken(owner, msg.sender);
        owner = msg.sender;
        candidate = address(0);
    }
}
