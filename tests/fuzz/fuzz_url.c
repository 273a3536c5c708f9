/* SPDX-License-Identifier: MIT
 * Fuzzes the parsing of URLs: no byte is read beyond the text, outputs stay on failure, a printed URL parses to itself.
 * Dictionary fuzz_url.dict, seeds corpus/url. */
#include <stdlib.h>
#include <string.h>

#include "contract.h"
#include "url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/* Aborts, so that the fuzzer keeps the input. */
static void must(bool condition) {
    if (!condition) abort();
}

static void check_print(const struct skep_url *url) {
    char first[SKEP_MAX_URL + 1], second[SKEP_MAX_URL + 1];
    struct skep_url again;
    const char *why;
    skep__url_print(&url->address, url->address_size_bytes, url->any, first, sizeof first);
    must(skep__url_is(first));
    must(skep__url_parse(first, &again, &why) == SKEP_OK);
    must(again.any == url->any && again.address_size_bytes == url->address_size_bytes);
    must(memcmp(&again.address, &url->address, sizeof again.address) == 0);
    skep__url_print(&again.address, again.address_size_bytes, again.any, second, sizeof second);
    must(strcmp(first, second) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes) {
    struct skep_url url, before;
    const char *why = NULL;
    char *text = malloc(size_bytes + 1);
    if (text == NULL) return 0;
    if (size_bytes > 0) memcpy(text, data, size_bytes);
    text[size_bytes] = '\0';
    memset(&before, 0x5a, sizeof before);
    url = before;
    int status = skep__url_parse(text, &url, &why);
    if (status == SKEP_OK && !url.given) check_print(&url); /* the address of a descriptor is not known yet */
    if (status != SKEP_OK) must(status == SKEP_EURL && why != NULL && memcmp(&url, &before, sizeof url) == 0);
    free(text);
    return 0;
}
