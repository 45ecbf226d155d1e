//! Tests of the repo room: real git repositories in temporary folders.

mod carrying;
mod reverts;
mod scene;
mod scenes;
mod workspaces;
