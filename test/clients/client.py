"""What Python's openai makes of the emulator, as one JSON object: argument 1 is the emulator's URL."""

import asyncio
import json
import sys

import openai

url = sys.argv[1]
messages = [{"role": "user", "content": "Hi"}]
azure = openai.AzureOpenAI(azure_endpoint=url, api_key="any", api_version="2025-04-01-preview", max_retries=0)
v1 = openai.OpenAI(base_url=f"{url}/openai/v1", api_key="any", max_retries=0)


def failure(call):
    try:
        call()
    except openai.OpenAIError as error:
        return {
            "type": type(error).__name__,
            "status": getattr(error, "status_code", None),
            "code": getattr(error, "code", None),
            "retryAfterMs": error.response.headers.get("retry-after-ms") if isinstance(error, openai.APIStatusError) else None,
        }
    return None


def chat(client):
    whole = client.chat.completions.create(model="gpt-4o-ptu", messages=messages)
    streamed = ""
    usage = None
    for chunk in client.chat.completions.create(
        model="gpt-4o-ptu", messages=messages, stream=True, stream_options={"include_usage": True}
    ):
        if chunk.choices:
            streamed += chunk.choices[0].delta.content or ""
        usage = chunk.usage or usage
    return {
        "text": whole.choices[0].message.content,
        "streamed": streamed,
        "tokens": whole.usage.total_tokens,
        "streamedTokens": usage.total_tokens,
    }


def responses(client):
    whole = client.responses.create(model="gpt-4o-ptu", input="Hi")
    with client.responses.stream(model="gpt-4o-ptu", input="Hi") as stream:
        streamed = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
    got = client.responses.retrieve(whole.id)
    client.responses.delete(whole.id)
    return {
        "text": whole.output_text,
        "streamed": streamed,
        "got": got.id == whole.id,
        "gone": failure(lambda: client.responses.retrieve(whole.id))["type"],
    }


async def concurrently():
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=url, api_key="any", api_version="2025-04-01-preview", max_retries=0
    ) as client:
        answers = await asyncio.gather(
            *(client.chat.completions.create(model="gpt-4o", messages=messages, max_tokens=5) for _ in range(5))
        )
    return len({answer.choices[0].message.content for answer in answers})


print(
    json.dumps(
        {
            "version": openai.__version__,
            "azure": chat(azure),
            "v1": chat(v1),
            "responses": responses(v1),
            "embedding": len(azure.embeddings.create(model="embeddings", input="one").data[0].embedding),
            "concurrently": asyncio.run(concurrently()),
            "throttled": failure(lambda: azure.chat.completions.create(model="full", messages=messages)),
            "missing": failure(lambda: azure.chat.completions.create(model="missing", messages=messages)),
            "filtered": failure(lambda: v1.chat.completions.create(model="filtered", messages=messages)),
            "timeout": failure(lambda: v1.with_options(timeout=0.3).chat.completions.create(model="silent", messages=messages)),
        }
    )
)
