/* SPDX-License-Identifier: MIT
 * The checksum of a row: of its values in the order of their columns, whatever the machine's order of bytes. */
#ifndef SKEP_JOBS_DISK_CHECKSUM_H
#define SKEP_JOBS_DISK_CHECKSUM_H

#include <endian.h>
#include <stdint.h>
#include <zlib.h>

#include "command.h"

static inline uLong skep__checksum_number(uLong crc, uint64_t number) {
    const uint64_t bytes = htole64(number);
    return crc32(crc, (const Bytef *)&bytes, sizeof bytes);
}

static inline uLong skep__checksum_bytes(uLong crc, const struct skep_bytes *bytes) {
    crc = skep__checksum_number(crc, bytes->size_bytes);
    return bytes->size_bytes > 0 ? crc32_z(crc, (const Bytef *)bytes->data, bytes->size_bytes) : crc;
}

#endif
