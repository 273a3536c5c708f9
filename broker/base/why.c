/* SPDX-License-Identifier: MIT */
#include <stdarg.h>

#include "broker.h"

int skep__broker_fail(skep_cluster *cluster, int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(cluster->why, sizeof cluster->why, format, arguments);
    va_end(arguments);
    return status;
}
