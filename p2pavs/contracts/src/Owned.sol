// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// @title An owner who can only hand over to someone who takes it
/// @dev The first owner is set by a constructor, or by the initializer of a contract behind a proxy. An owner never
/// becomes zero again, so what is done with `_setFirstOwner` is done once.
abstract contract Owned {
    error NotTheOwner(address sender, address owner);
    error NotTheCandidate(address sender, address candidate);
    error NoOwner();
    error AlreadyInitialized();

    event OwnershipOffered(address indexed owner, address indexed candidate);
    event OwnershipTaken(address indexed previous, address indexed owner);

    address public owner;
    address public candidate;

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

    function _setFirstOwner(address owner_) internal {
        if (owner != address(0)) revert AlreadyInitialized();
        if (owner_ == address(0)) revert NoOwner();
        emit OwnershipTaken(address(0), owner_);
        owner = owner_;
    }

    /// @dev For the constructor of an implementation: nobody can begin a life in it, only in proxies.
    function _lock() internal {
        owner = address(0xdead);
    }
}
