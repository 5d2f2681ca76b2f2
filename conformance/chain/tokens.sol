// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";

contract Pass is ERC721("Pass", "PASS") {
    function mint(address to, uint256 token) external {
        _mint(to, token);
    }

    function burn(uint256 token) external {
        _burn(token);
    }
}

contract Coin is ERC20("Coin", "COIN") {
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

contract Items is ERC1155("") {
    function mint(address to, uint256 token, uint256 amount) external {
        _mint(to, token, amount, "");
    }
}

/// Tells how much somebody owes, below nothing, behind another word.
contract Debts {
    function debtOf(address) external pure returns (bool, int256) {
        return (true, -5);
    }
}

/// Says too little, whatever it is asked.
contract Mumbles {
    fallback() external {
        assembly {
            mstore(0, not(0))
            return(0, 31)
        }
    }
}

/// Burns all the gas that it is given, whatever it is asked.
contract Furnace {
    fallback() external {
        while (gasleft() > 0) {}
    }
}
