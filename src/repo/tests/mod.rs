//! Tests of the repo room: real git repositories in temporary folders.

mod reverts;
mod scene;
mod workspaces;
