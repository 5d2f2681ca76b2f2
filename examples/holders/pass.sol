// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

contract Pass is ERC721("Pass", "PASS") {
    function mint(address to, uint256 token) external {
        _mint(to, token);
    }
}
