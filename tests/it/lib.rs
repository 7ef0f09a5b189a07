//! The black-box tests: the real program, driven from outside through HTTP and sockets, and the shape of the house.
//! One binary, so that it links once.

#![cfg(test)]

mod abandoned;
mod accounts;
mod admin;
mod api;
mod browser;
mod bucket;
mod canned;
mod cluster;
mod duel;
mod examples;
mod failing_store;
mod files;
mod folders;
mod hostile;
mod house;
mod identity;
mod images;
mod kill;
mod layering;
mod matrix;
mod mishaps;
mod nodes;
mod operator;
mod outage;
mod pages;
mod program;
mod race;
mod routing;
mod site_key;
mod socket;
mod storage;
mod tidy;
mod words;
