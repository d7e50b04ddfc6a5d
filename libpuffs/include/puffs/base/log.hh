// base/log.hh - the project's log: spdlog, set up once by main().
//
// PUFFS_LOG(level, format, ...) formats with fmt and costs one relaxed load when the level is off.
// Never called on the way of a request except at level debug or trace.
//
// Threading:  any thread. Writing may block in the sink; sinks are standard error or syslog.
// Source:     spdlog.
#pragma once

#include <spdlog/spdlog.h>

#define PUFFS_LOG(level_name, ...)                                                                 \
    do {                                                                                           \
        if (::spdlog::default_logger_raw()->should_log(::spdlog::level::level_name)) {             \
            ::spdlog::default_logger_raw()->log(::spdlog::level::level_name, __VA_ARGS__);         \
        }                                                                                          \
    } while (false)
