/* SPDX-License-Identifier: MIT
 * Pages of memory that the broker shares with a worker: struct skep_page of contract.h. */
#ifndef SKEP_WORKER_PAGE_H
#define SKEP_WORKER_PAGE_H

#include <skep/status.h>

#include "contract.h"

/* *fd is what the worker gets, close-on-exec; the caller closes it. Errors: SKEP_EMFILE, SKEP_ENOMEM, SKEP_ESYS. */
SKEP_MUST_USE int skep__page_new(struct skep_page **page, int *fd);

/* Takes the page out of this process's memory and sets *page to NULL. NULL is allowed. */
void skep__page_free(struct skep_page **page);

#endif
