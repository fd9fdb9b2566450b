"""The process that runs hook files for the proxy. Not for import by hooks.

It reads frames (:mod:`.frames`) from a Unix socket (:mod:`.connection`), loads hook files
(:mod:`.loading`), runs their methods on one asyncio loop (:mod:`.calls`) and answers with the
smallest edits (:mod:`.diff`).
"""
