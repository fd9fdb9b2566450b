"""What a program does with the OpenAI SDK; prints one JSON object for the test to read.

Usage: responses.py MODE BASE_URL
"""

import json
import sys

import openai

mode, base = sys.argv[1:]
# Retries would only repeat what is looked at here.
client = openai.OpenAI(base_url=base, api_key="sk-made-up-0123456789", max_retries=0)
ask = {"model": "gpt-5.5", "input": "say hello"}

if mode == "whole":
    response = client.responses.create(stream=False, **ask)
    result = {"status": response.status, "text": response.output_text}
elif mode == "streamed":
    kinds, text = [], ""
    for event in client.responses.create(stream=True, **ask):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    result = {"kinds": kinds, "text": text}
elif mode == "error":
    try:
        client.responses.create(**ask)
        result = {"error": None}
    except openai.APIStatusError as error:
        result = {
            "error": type(error).__name__,
            "is_status_error": isinstance(error, openai.APIStatusError),
            "status": error.status_code,
            "code": error.code,
            "message": error.body["message"],
        }
elif mode == "models":
    result = {"ids": [model.id for model in client.models.list()]}
else:
    sys.exit(f"unknown mode {mode}")
print(json.dumps(result))
