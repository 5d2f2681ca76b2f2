// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// A wallet of one owner, who may hand it on.
contract OwnedWallet is IERC1271 {
    address public owner;

    constructor(address first) {
        owner = first;
    }

    function handOn(address next) external {
        require(msg.sender == owner, "not yours");
        owner = next;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer, ECDSA.RecoverError error,) = ECDSA.tryRecover(hash, signature);
        bool good = error == ECDSA.RecoverError.NoError && signer == owner;
        return good ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}

/// Makes wallets at addresses that are known before.
contract WalletFactory {
    function deploy(address owner, bytes32 salt) external returns (address) {
        return address(new OwnedWallet{salt: salt}(owner));
    }

    function addressOf(address owner, bytes32 salt) external view returns (address) {
        bytes memory code = abi.encodePacked(type(OwnedWallet).creationCode, abi.encode(owner));
        bytes32 hash = keccak256(abi.encodePacked(hex"ff", address(this), salt, keccak256(code)));
        return address(uint160(uint256(hash)));
    }
}

/// Accepts whatever it is shown; also what a plain key may borrow as its code.
contract SaysYes {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}

/// Knows only the first form of ERC-1271.
contract SaysYesTheOldWay {
    function isValidSignature(bytes calldata, bytes calldata) external pure returns (bytes4) {
        return 0x20c13b0b;
    }
}

/// Burns all the gas that it is given.
contract Burns {
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        uint256 n;
        while (gasleft() > 0) n++;
        return 0x1626ba7e;
    }
}

contract Reverts {
    fallback() external {
        revert("the magic value is 0x1626ba7e");
    }
}

/// Returns the magic value, and too little around it.
contract SaysTooLittle {
    fallback() external {
        assembly {
            mstore(0, 0x1626ba7e00000000000000000000000000000000000000000000000000000000)
            return(0, 4)
        }
    }
}

/// Returns a word that only begins with the magic value.
contract SaysTooMuch {
    fallback() external {
        assembly {
            mstore(0, 0x1626ba7e00000000000000000000000000000000000000000000000000000001)
            return(0, 32)
        }
    }
}

/// Answers for every name of a branch (ENSIP-10): all of them lead to one address.
contract BranchResolver {
    address private immutable everybody;

    constructor(address one) {
        everybody = one;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x9061b923;
    }

    function resolve(bytes calldata name, bytes calldata data) external view returns (bytes memory) {
        require(name.length > 2 && bytes4(data) == 0x3b3b57de, "asked for something else");
        return abi.encode(everybody);
    }
}

/// Keeps its answers elsewhere (EIP-3668).
contract AwayResolver {
    error OffchainLookup(address sender, string[] urls, bytes callData, bytes4 callback, bytes extraData);

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x9061b923;
    }

    function resolve(bytes calldata, bytes calldata data) external view returns (bytes memory) {
        string[] memory urls = new string[](1);
        urls[0] = "https://elsewhere.example/{sender}/{data}";
        revert OffchainLookup(address(this), urls, data, this.supportsInterface.selector, "");
    }
}

/// Tells of what it is told.
contract Speaks {
    event Said(uint256 indexed n);

    function say(uint256 n) external {
        emit Said(n);
    }
}
