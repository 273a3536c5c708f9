/* SPDX-License-Identifier: MIT
 * Fields of JSON objects, made from what the wire has. */
#ifndef SKEP_COMMAND_COMMON_FIELDS_H
#define SKEP_COMMAND_COMMON_FIELDS_H

#include <command.h>
#include <jansson.h>

/* The greatest integer that JSON has here, for what is greater: it never turns negative. */
json_t *json_of_count(uint64_t count);

/* 0 if there is none. */
json_int_t number_of(const json_t *object, const char *key);

/* A JSON string of bytes that may not be UTF-8. */
json_t *json_of_bytes(struct skep_bytes bytes);

/* Without the beginning of a character at its end, if it was cut off there and is text without that. */
struct skep_bytes whole_characters(struct skep_bytes bytes, bool is_cut);

/* Seconds with three decimals. */
json_t *json_of_ms(uint64_t ms);

#endif
