/* SPDX-License-Identifier: MIT
 * Bytes of the wire and strings of C. */
#include "command/common/bytes.h"

#include <string.h>

bool bytes_are(struct skep_bytes bytes, const char *text) {
    return bytes.size_bytes == strlen(text) && memcmp(bytes.data, text, bytes.size_bytes) == 0;
}

struct skep_bytes bytes_of_text(const char *text) {
    return (struct skep_bytes){.data = text, .size_bytes = text != NULL ? strlen(text) : 0};
}
