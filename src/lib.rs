//! kaizen-ci: heals a failing test suite and proves it. The library behind the `kaizen-ci` program.

pub mod cache;
pub mod cli;
pub mod config;
pub mod console;
pub mod error;
pub mod failure;
pub mod fixer;
pub mod github;
pub mod heal;
pub mod judge;
pub mod lab;
pub mod mask;
pub mod model;
pub mod patch;
pub mod prd;
pub mod process;
pub mod repo;
pub mod report;
pub mod state;
pub mod suite;
pub mod supervise;
pub mod syntax;
pub mod trajectory;
pub mod words;
