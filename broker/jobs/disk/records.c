/* SPDX-License-Identifier: MIT
 * A page has a header, pointers to its cells, and these. A cell of a table has a row's number and its payload, one of
 * an index has a payload only; what does not fit into the page is in a list of other pages. */
#include "jobs/disk/records.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/disk/checksum.h"

enum {
    FIRST = 2, /* page: the one before has the tables' definitions */
    TABLE_LEAF = 13,
    INDEX_LEAF = 10,
    INDEX_INNER = 2,
    MOST_PAYLOAD = 16 * 1024 * 1024
};

/* Bytes that are read one behind the other */
struct bytes {
    const unsigned char *at, *end;
};

/* Returns false if they end before it does. */
static bool take_varint(struct bytes *bytes, uint64_t *value) {
    uint64_t sum = 0;
    for (int i = 0; i < 9; i++) {
        if (bytes->at == bytes->end) return false;
        const unsigned char byte = *bytes->at++;
        if (i == 8) {
            *value = sum << 8 | byte;
            return true;
        }
        sum = sum << 7 | (byte & 127);
        if ((byte & 128) == 0) break;
    }
    *value = sum;
    return true;
}

/* --- payloads --- */

struct scanning {
    const struct skep__pages *pages;
    struct skep__scan *scan;
    unsigned char page[SKEP__PAGE_BYTES];
    unsigned char *payload; /* that of a cell, put together; MOST_PAYLOAD bytes */
    skep__record_cb found;
    void *context;
};

/* How much of a payload is in the cell itself */
static size_t local_bytes(uint64_t size, bool is_table) {
    const uint64_t usable = SKEP__PAGE_BYTES;
    const uint64_t most = is_table ? usable - 35 : (usable - 12) * 64 / 255 - 23;
    const uint64_t least = (usable - 12) * 32 / 255 - 23;
    if (size <= most) return size;
    const uint64_t fitting = least + (size - least) % (usable - 4);
    return fitting <= most ? fitting : least;
}

/* Returns false if a page of the list cannot be read. */
static bool take_overflow(const struct scanning *s, uint32_t number, size_t used, uint64_t size) {
    unsigned char page[SKEP__PAGE_BYTES];
    while (used < size) {
        if (!skep__pages_read(s->pages, number, page)) return false;
        size_t n = size - used < SKEP__PAGE_BYTES - 4 ? size - used : SKEP__PAGE_BYTES - 4;
        memcpy(s->payload + used, page + 4, n);
        used += n;
        number = skep__read_32(page);
    }
    return true;
}

static bool take_payload(const struct scanning *s, struct bytes *cell, bool is_table, uint64_t size) {
    const size_t local = local_bytes(size, is_table), left = (size_t)(cell->end - cell->at);
    if (size > MOST_PAYLOAD || left < local + (local < size ? 4 : 0)) return false;
    memcpy(s->payload, cell->at, local);
    return local == size || take_overflow(s, skep__read_32(cell->at + local), local, size);
}

/* --- values --- */

static size_t bytes_of_type(uint64_t type) {
    static const size_t sizes[] = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
    return type < 10 ? sizes[type] : (size_t)((type - 12) / 2);
}

static int64_t integer_at(const unsigned char *at, size_t size) {
    uint64_t value = size > 0 && (at[0] & 128) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < size; i++) value = value << 8 | at[i];
    return (int64_t)value;
}

/* Returns false if it is not a value that is written here. */
static bool take_value(struct bytes *body, uint64_t type, struct skep__value *value) {
    const size_t size = bytes_of_type(type);
    *value = (struct skep__value){.type = SKEP__VALUE_NULL};
    if (type == 7 || type == 10 || type == 11 || (size_t)(body->end - body->at) < size) return false;
    if (type >= 12) {
        value->type = type % 2 == 0 ? SKEP__VALUE_BLOB : SKEP__VALUE_TEXT;
        value->bytes = (struct skep_bytes){(const char *)body->at, size};
    } else if (type > 0) {
        value->type = SKEP__VALUE_INTEGER;
        value->number = type >= 8 ? (int64_t)type - 8 : integer_at(body->at, size);
    }
    body->at += size;
    return true;
}

static bool parse(const unsigned char *payload, uint64_t size, struct skep__record *record) {
    struct bytes head = {payload, payload + size}, body = head;
    uint64_t head_bytes, type;
    record->count = 0;
    if (!take_varint(&head, &head_bytes) || head_bytes > size) return false;
    head.end = body.at = payload + head_bytes;
    while (head.at < head.end) {
        if (record->count == SKEP__MOST_COLUMNS || !take_varint(&head, &type)) return false;
        if (!take_value(&body, type, &record->values[record->count++])) return false;
    }
    return body.at == body.end;
}

static bool is_sound(const struct skep__record *record) {
    uLong crc = 0;
    if (record->count < 3) return false;
    const struct skep__value *last = &record->values[record->count - 1];
    for (const struct skep__value *value = record->values; value < last; value++) {
        if (value->type == SKEP__VALUE_INTEGER) crc = skep__checksum_number(crc, (uint64_t)value->number);
        else crc = skep__checksum_bytes(crc, &value->bytes);
    }
    return last->type == SKEP__VALUE_INTEGER && (uint64_t)last->number == crc;
}

/* --- cells and pages --- */

/* A row's number is that of its first column, which is empty in the payload. */
static int scan_cell(struct scanning *s, struct bytes cell, unsigned char kind) {
    struct skep__record record;
    uint64_t size, number = 0;
    const bool is_table = kind == TABLE_LEAF;
    if (kind == INDEX_INNER) cell.at += cell.end - cell.at < 4 ? cell.end - cell.at : 4;
    bool good = take_varint(&cell, &size) && (!is_table || take_varint(&cell, &number));
    good = good && take_payload(s, &cell, is_table, size) && parse(s->payload, size, &record);
    if (good && is_table && record.count > 0 && record.values[0].type == SKEP__VALUE_NULL)
        record.values[0] = (struct skep__value){.type = SKEP__VALUE_INTEGER, .number = (int64_t)number};
    if (good && is_sound(&record)) {
        s->scan->records++;
        return s->found(s->context, &record);
    }
    s->scan->unsound += is_table;
    return SKEP_OK;
}

static int scan_page(struct scanning *s) {
    const unsigned char *page = s->page, kind = page[0];
    const unsigned cells = skep__read_16(page + 3);
    const size_t pointers = kind == INDEX_INNER ? 12 : 8;
    int status = SKEP_OK;
    if (kind != TABLE_LEAF && kind != INDEX_LEAF && kind != INDEX_INNER) return SKEP_OK;
    for (unsigned i = 0; i < cells && pointers + 2 * (size_t)i + 2 <= SKEP__PAGE_BYTES && status == SKEP_OK; i++) {
        const unsigned at = skep__read_16(page + pointers + 2 * (size_t)i);
        if (at < SKEP__PAGE_BYTES) status = scan_cell(s, (struct bytes){page + at, page + SKEP__PAGE_BYTES}, kind);
    }
    return status;
}

int skep__records_scan(const struct skep__pages *pages, skep__record_cb found, void *context, struct skep__scan *scan) {
    struct scanning *s = malloc(sizeof *s);
    int status = SKEP_OK;
    *scan = (struct skep__scan){0};
    if (s == NULL) return SKEP_ENOMEM;
    *s = (struct scanning){.pages = pages, .scan = scan, .found = found, .context = context};
    s->payload = malloc(MOST_PAYLOAD);
    if (s->payload == NULL) status = SKEP_ENOMEM;
    for (uint32_t number = FIRST; number <= skep__pages_count(pages) && status == SKEP_OK; number++) {
        if (skep__pages_is_free(pages, number)) continue;
        if (skep__pages_read(pages, number, s->page)) status = scan_page(s);
        else scan->unreadable++;
    }
    free(s->payload);
    free(s);
    return status;
}
