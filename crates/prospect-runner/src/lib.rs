//! Stream a video through SmolVLM2: sources, the stream loop, trace and command line
