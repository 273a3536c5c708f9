/* SPDX-License-Identifier: MIT
 * Times, and quantiles of handling times as JSON and as text. */
#include "command/common/times.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

uint64_t monotonic_ms(void) {
    return uv_hrtime() / 1000000;
}

void time_text(uint64_t time_ms, char text[TIME_BYTES]) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm parts;
    char whole[24];
    if (gmtime_r(&seconds, &parts) == NULL || strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        strcpy(whole, "?"); /* a year that has no four digits */
    snprintf(text, TIME_BYTES, "%s.%03uZ", whole, (unsigned)(time_ms % 1000));
}

int times_read(struct skep_bytes packed, struct times *times) {
    struct skep_histogram histogram = {0};
    int status = skep__histogram_unpack(&histogram, packed.data, packed.size_bytes);
    if (status == SKEP_OK)
        *times = (struct times){.count = histogram.total,
                                .p50_ns = skep__histogram_quantile_ns(&histogram, 0.5),
                                .p90_ns = skep__histogram_quantile_ns(&histogram, 0.9),
                                .p99_ns = skep__histogram_quantile_ns(&histogram, 0.99),
                                .max_ns = skep__histogram_quantile_ns(&histogram, 1)};
    skep__histogram_free(&histogram);
    return status;
}

static double ms_of(uint64_t duration_ns) {
    return (double)duration_ns / 1e6;
}

json_t *times_json(const struct times *times) {
    json_int_t count = times->count < INT64_MAX ? (json_int_t)times->count : INT64_MAX;
    if (count == 0) return json_pack("{s:I}", "count", count);
    return json_pack("{s:I, s:f, s:f, s:f, s:f}", "count", count, "p50_ms", ms_of(times->p50_ns), "p90_ms",
                     ms_of(times->p90_ns), "p99_ms", ms_of(times->p99_ns), "max_ms", ms_of(times->max_ns));
}

/* What would be rounded to 1000 of a unit is 1 of the next. */
void duration_text(uint64_t duration_ns, char text[DURATION_BYTES]) {
    static const char *const units[] = {"ns", "us", "ms", "s"};
    double number = (double)duration_ns;
    unsigned unit = 0;
    for (; number >= 999.5 && unit < 3; unit++) number /= 1000;
    snprintf(text, DURATION_BYTES, number < 999.5 ? "%.3g %s" : "%.0f %s", number, units[unit]);
}

void write_duration(const void *value, char cell[CELL_BYTES]) {
    cell[0] = '\0';
    if (value != NULL) duration_text((uint64_t)(json_number_value(value) * 1e6 + 0.5), cell);
}

void write_p50(const void *times, char cell[CELL_BYTES]) {
    write_duration(json_object_get(times, "p50_ms"), cell);
}

void write_p99(const void *times, char cell[CELL_BYTES]) {
    write_duration(json_object_get(times, "p99_ms"), cell);
}
