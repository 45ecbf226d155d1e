//! Reports: what people read when a run is over, made from events alone.
